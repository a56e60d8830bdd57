"""Site: a folder of pages as a small documentation site with the chat on it."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import Sequence
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from parlour.knowledge.document import name_title
from parlour.knowledge.load import MAX_BYTES, SourceFile, list_files, read_text
from parlour.site.links import Links
from parlour.site.navigation import NavNode, build_tree
from parlour.site.prompts import prompts_of
from parlour.site.render import Content, render_content

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The header every answer of the site is meant to carry."""

ASSETS: Final = "/_site/"
_ASSET_TYPES: Final = {
    "site.css": "text/css; charset=utf-8",
    "site.js": "text/javascript; charset=utf-8",
}
_FILE_TYPES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico", ".pdf"}
)
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"


class Response(NamedTuple):
    """What to answer a GET with."""

    status: int
    content_type: str
    body: bytes


class Site:
    """Pages, navigation and images of one folder, served under ``prefix``; nothing outside it."""

    def __init__(self, root: Path, listing: Sequence[SourceFile], title: str | None, prefix: str):
        self._root = root.resolve()
        self._prefix = prefix.rstrip("/")
        self._files = {file.page: file for file in listing}
        self.pages: NavNode = build_tree(listing)
        self._order = list(self.pages.pages())
        home = next((node.title for node in self._order if node.page == "/"), None)
        self.title: str = title or home or name_title(self._root.name)
        self._sections = {
            page.page: folder.title
            for folder in self.pages.children
            for page in folder.pages()
            if folder.page != page.page
        }
        self._prompts: str | None = None

    @classmethod
    def from_folder(cls, path: Path, *, title: str | None = None, prefix: str = "") -> Site:
        """Reads the folder's page names and titles; ``ConfigurationError`` when it is not there."""
        return cls(path, list_files(path).files, title, prefix)

    async def respond(self, path: str) -> Response:
        """The page, image, page source or asset at a decoded path below the prefix, or a 404 page."""
        return await asyncio.to_thread(self.get, path)

    def get(self, path: str) -> Response:
        """As ``respond``, blocking."""
        if path.startswith(ASSETS):
            return self._asset(path.removeprefix(ASSETS)) or self._missing()
        page = self.render(path)
        if page is not None:
            return Response(200, _HTML, page.encode())
        return self._file(path) or self._missing()

    def render(self, path: str) -> str | None:
        """The whole HTML of a page, or None when there is no such page."""
        file = self._find(path)
        if file is None:
            return self._home() if path in ("", "/") else None
        content = self._content(file)
        if content is None:
            return None
        place = next(n for n, node in enumerate(self._order) if node.page == file.page)
        return self._page(
            content,
            current=file.page,
            before=self._order[place - 1] if place else None,
            after=self._order[place + 1] if place + 1 < len(self._order) else None,
            kind="page",
            section=self._sections.get(file.page),
        )

    def raw(self, path: str) -> str | None:
        """The source of a page's file, such as ``/guide/start.md``, or None."""
        file = next((one for one in self._files.values() if f"/{one.name}" == path), None)
        try:
            return read_text(file.path) if file else None
        except OSError:
            return None

    def _find(self, path: str) -> SourceFile | None:
        bare = path.removesuffix(".html").rstrip("/")
        names = (path or "/", bare, f"{bare}/", f"{bare.removesuffix('/index')}/")
        return next((self._files[name] for name in names if name in self._files), None)

    def _content(self, file: SourceFile) -> Content | None:
        try:
            if file.path.stat().st_size > MAX_BYTES:
                return None
            return render_content(read_text(file.path), Links(file.name, self._prefix, self._files))
        except OSError:
            return None

    def _page(self, content: Content, **place: object) -> str:
        return (
            _environment()
            .get_template("page.html")
            .render(
                site=self,
                content=content,
                prefix=self._prefix,
                prompts=self._prompts_json(),
                **place,
            )
        )

    def _home(self) -> str:
        content = Content(self.title, "", "", (), has_heading=False)
        return self._page(
            content, current="/", before=None, after=None, kind="overview", section=None
        )

    def _missing(self) -> Response:
        content = Content("Page not found", "", "", (), has_heading=False)
        page = self._page(
            content, current=None, before=None, after=None, kind="missing", section=None
        )
        return Response(404, _HTML, page.encode())

    def _prompts_json(self) -> str:
        if self._prompts is None:
            first = [self._files[node.page] for node in self._order if node.page][:16]
            contents = [content for file in first if (content := self._content(file))]
            self._prompts = json.dumps(prompts_of(contents), ensure_ascii=False)
        return self._prompts

    def _file(self, path: str) -> Response | None:
        source = self.raw(path)
        if source is not None:
            return Response(200, _TEXT, source.encode())
        parts = [part for part in path.split("/") if part]
        # No hidden name, no step upwards, and (below) no link that leads out of the folder.
        if not parts or any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            return None
        target = self._root.joinpath(*parts).resolve()
        if target.suffix.lower() not in _FILE_TYPES or not target.is_relative_to(self._root):
            return None
        try:
            body = target.read_bytes()
        except OSError:
            return None
        return Response(
            200, mimetypes.guess_type(target.name)[0] or "application/octet-stream", body
        )

    def _asset(self, name: str) -> Response | None:
        kind = _ASSET_TYPES.get(name)
        return Response(200, kind, _asset_bytes(name)) if kind else None


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("parlour.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset_bytes(name: str) -> bytes:
    return (package_files("parlour.site") / "assets" / name).read_bytes()
