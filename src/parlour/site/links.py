"""Addresses inside pages: links to files become links to pages."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from parlour.knowledge.document import page_path
from parlour.knowledge.load import PAGE_SUFFIXES

_SCHEMES: Final = frozenset({"", "http", "https", "mailto", "tel"})


@dataclass(frozen=True, slots=True)
class Links:
    """Resolves what one file links to; ``prefix`` is the path under which the site is served."""

    file: str
    prefix: str
    pages: Collection[str]

    def rewrite(self, tag: str, address: str) -> str | None:
        """The address to use; None where following it could do more than open a page, a mail or a
        call, and for an image that would come from somewhere else."""
        try:
            parts = urlsplit(address.strip())
        except ValueError:
            return None
        if parts.scheme.lower() not in _SCHEMES:
            return None
        if parts.scheme or parts.netloc:
            return address.strip() if tag == "a" else None
        if not parts.path:
            return f"#{parts.fragment}" if parts.fragment else "#"
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        path = self._resolve(unquote(parts.path))
        if tag == "img":
            return f"{self.prefix}{quote(path)}"
        return f"{self.prefix}{quote(self._page(path))}{fragment}"

    def _resolve(self, path: str) -> str:
        if path.startswith("/"):
            return posixpath.normpath(path)
        folder = PurePosixPath("/", self.file).parent
        resolved = posixpath.normpath(posixpath.join(str(folder), path))
        return "/" if resolved in (".", "//") else resolved

    def _page(self, path: str) -> str:
        if path.lower().endswith(PAGE_SUFFIXES):
            candidates = [page_path(path.lstrip("/"))]
        else:
            candidates = [path, f"{path}/"]
        return next((candidate for candidate in candidates if candidate in self.pages), path)
