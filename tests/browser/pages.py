"""Pages of our own before a Parlour app, on one origin with it."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from parlour.site import CONTENT_SECURITY_POLICY

HEADER = {"content-security-policy": CONTENT_SECURITY_POLICY}


@dataclass(frozen=True)
class Page:
    """What stands at an address."""

    body: str
    content_type: str = "text/html; charset=utf-8"
    strict: bool = True

    def response(self) -> Response:
        headers = HEADER if self.strict else {}
        return Response(self.body, headers=headers, media_type=self.content_type)


class WithPages:
    """The app, with these pages before it."""

    def __init__(self, app: ASGIApp, pages: Mapping[str, Page]) -> None:
        self.app = app
        self.pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self.pages.get(scope.get("path", "")) if scope["type"] == "http" else None
        await (page.response() if page else self.app)(scope, receive, send)


def folder(path: Path, at: str) -> dict[str, Page]:
    """The text files below a folder, under an address; index.html under the address itself."""
    pages: dict[str, Page] = {}
    for file in path.rglob("*"):
        if not file.is_file():
            continue
        name = f"{at}/{file.relative_to(path).as_posix()}".removesuffix("index.html")
        kind = mimetypes.guess_type(file.name)[0] or "text/plain"
        pages[name] = Page(file.read_text("utf-8"), f"{kind}; charset=utf-8")
    return pages


SCRIPT = "text/javascript; charset=utf-8"

BARE = {
    "/bare/": Page(
        """<!doctype html><html lang="en"><meta charset="utf-8"><title>Two chats</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/bare/page.css">
<script src="/chatkit.js" async></script><script src="/bare/page.js" defer></script>
<main><h1>Two chats</h1><openai-chatkit id="one"></openai-chatkit>
<openai-chatkit id="two"></openai-chatkit></main></html>"""
    ),
    "/bare/page.css": Page(
        "openai-chatkit { display: inline-block; width: 400px; height: 600px }", "text/css"
    ),
    "/bare/page.js": Page(
        """window.events = {one: [], two: []};
const names = ['ready', 'error', 'log', 'thread.change', 'thread.load.start', 'thread.load.end',
  'response.start', 'response.end', 'history.open', 'history.close', 'tool.change'];
for (const id of ['one', 'two']) {
  const element = document.getElementById(id);
  for (const name of names) element.addEventListener('chatkit.' + name, ({detail}) =>
    events[id].push([name, detail?.error ? {message: detail.error.message} : detail ?? null]));
  customElements.whenDefined('openai-chatkit').then(() => element.setOptions({
    api: {url: '/chatkit', domainKey: 'any-key'}, startScreen: {greeting: 'Chat ' + id}}));
}""",
        SCRIPT,
    ),
    "/open/": Page(
        """<!doctype html><html lang="en"><meta charset="utf-8"><title>No policy</title>
<link rel="icon" href="data:,"><script src="/parlour.js" defer></script>
<main><h1>A page without a policy</h1><p>Text.</p></main></html>""",
        strict=False,
    ),
}
