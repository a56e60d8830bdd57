"""The element's files: stable names that are asked for each time, hashed ones that never change."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from parlour.errors import NotFound

STATIC: Final = Path(__file__).parent / "static"
_ENTRIES: Final = ("chatkit.js", "parlour.js")
_NAME: Final = re.compile(r"(?:assets/)?\w[\w.-]{0,100}\.js", re.ASCII)
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class AssetRoutes:
    """``GET /chatkit.js``, ``/parlour.js`` and ``/assets/…``, compressed beforehand, with ETags."""

    folder: Path = STATIC

    def router(self) -> APIRouter:
        router = APIRouter()
        for name in _ENTRIES:
            router.add_api_route(f"/{name}", self.entry, methods=["GET", "HEAD"])
        router.add_api_route("/assets/{name}", self.chunk, methods=["GET", "HEAD"])
        return router

    async def entry(self, request: Request) -> Response:
        """A script under a stable name: asked for again each time, answered with 304 if unchanged."""
        return self._send(request, request.url.path.rpartition("/")[2], "no-cache")

    async def chunk(self, request: Request, name: str) -> Response:
        """A hashed chunk, which a browser never needs to ask for again."""
        return self._send(request, f"assets/{name}", _IMMUTABLE)

    def _send(self, request: Request, name: str, cache: str) -> Response:
        path = self.folder / name
        try:
            if not _NAME.fullmatch(name):
                raise FileNotFoundError
            changed = path.stat().st_mtime_ns
        except OSError:
            raise NotFound(
                f"There is no script {name}.", hint="Build the element with scripts/install."
            ) from None
        encoding, body, tag = _load(path, _accepted(request), changed)
        headers = {
            "cache-control": cache,
            "etag": tag,
            "vary": "Accept-Encoding",
            "x-content-type-options": "nosniff",
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if encoding:
            headers["content-encoding"] = encoding
        return Response(body, headers=headers, media_type="text/javascript")


def _accepted(request: Request) -> str:
    """The best encoding the client takes; one word, so that no header makes the cache grow."""
    header = request.headers.get("accept-encoding", "")
    wanted = {part.partition(";")[0].strip() for part in header.split(",")}
    return next((encoding for encoding in _ENCODINGS if encoding in wanted), "")


@lru_cache(maxsize=64)
def _load(path: Path, encoding: str, changed: int) -> tuple[str, bytes, str]:
    """Encoding, bytes and ETag of a script, packed if it is there packed."""
    packed = path.with_name(path.name + _ENCODINGS.get(encoding, ""))
    if not encoding or not packed.is_file():
        return "", path.read_bytes(), _tag(path, "")
    return encoding, packed.read_bytes(), _tag(path, encoding)


def _tag(path: Path, encoding: str) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    return f'"{digest}{"-" + encoding if encoding else ""}"'
