"""``GET /api/history``: past conversations, for pages that show them outside the chat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from parlour.errors import NotAcceptable
from parlour.http.edge import Door, remember
from parlour.http.messages import head, messages
from parlour.http.replica import Reading
from parlour.http.transcript import markdown
from parlour.identity.base import Grant
from parlour.protocol import encode

THREADS: Final = 20
MESSAGES: Final = 50
MOST: Final = 100
_JSON: Final = "application/json"
_MARKDOWN: Final = "text/markdown"

Before = Annotated[str | None, Query(min_length=1, max_length=255)]


@dataclass(frozen=True, slots=True)
class HistoryRoutes:
    """The caller's threads, and the messages of one of them; both newest page first."""

    history: Reading
    door: Door

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/history")
        router.add_api_route("", self.threads, methods=["GET", "HEAD"])
        router.add_api_route("/{thread_id}", self.thread, methods=["GET", "HEAD"])
        return router

    async def threads(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST)] = THREADS,
        before: Before = None,
    ) -> Response:
        """The threads, newest first; ``before`` a thread asks for older ones."""
        _choose(request, (_JSON,))
        caller, grant = await self.door.caller(request)
        page = await self.history.read(
            lambda store: store.list_threads(caller.owner, limit=limit, after=before)
        )
        body = {"data": [head(thread) for thread in page.data], "has_more": page.has_more}
        if page.after is not None:
            body["before"] = page.after
        return _respond(request, encode(body), _JSON, grant)

    async def thread(
        self,
        request: Request,
        thread_id: str,
        limit: Annotated[int, Query(ge=1, le=MOST)] = MESSAGES,
        before: Before = None,
    ) -> Response:
        """The messages, oldest first; ``before`` a message asks for older ones."""
        kind = _choose(request, (_JSON, _MARKDOWN))
        caller, grant = await self.door.caller(request)
        page = await self.history.read(
            lambda store: messages(store, caller.owner, thread_id, limit=limit, before=before)
        )
        body = encode(page.wire()) if kind == _JSON else markdown(page, limit).encode()
        return _respond(request, body, kind, grant)


def _choose(request: Request, offers: Sequence[str]) -> str:
    accept = ",".join(request.headers.getlist("accept"))
    kind = acceptable(accept, offers)
    if kind is None:
        raise NotAcceptable(f"There is no {accept[:200]!r} here, only {' and '.join(offers)}.")
    return kind


def acceptable(accept: str, offers: Sequence[str]) -> str | None:
    """The offer an Accept header likes best, the first of equals; None if it likes none."""
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return offers[0]
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    return best if _quality(best, ranges) > 0 else None


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.lower().split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """What the most exact range that covers an offer says of it."""
    for covering in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        said = [quality for name, quality in ranges if name == covering]
        if said:
            return max(said)
    return 0.0


def _respond(request: Request, body: bytes, kind: str, grant: Grant | None) -> Response:
    """The body, or 304 to who has it already; caches of others must not keep it."""
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "etag": tag,
        "cache-control": "private, no-cache",
        "vary": "Accept, Authorization, Cookie",
        "x-content-type-options": "nosniff",
    }
    if kind == _MARKDOWN:
        kind = f"{_MARKDOWN}; charset=utf-8"
        headers["content-disposition"] = "inline"
    if _has(request.headers.get("if-none-match", ""), tag):
        response = Response(None, 304, headers)
    else:
        response = Response(body, 200, headers, kind)
    remember(response, grant, request)
    return response


def _has(known: str, tag: str) -> bool:
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return "*" in tags or tag.removeprefix("W/") in tags
