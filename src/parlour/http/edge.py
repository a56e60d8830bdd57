"""What comes in at the edge: a bounded body, a caller, a context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from parlour.context import Caller, RequestContext
from parlour.errors import BodyTooLarge, Unauthorized
from parlour.identity.base import COOKIE, Credentials, Grant, Identity
from parlour.protocol import now

SELECTED_TEXT_CHARS: Final = 2000
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; ``BodyTooLarge`` as soon as it is."""
    declared = request.headers.get("content-length", "")
    size, chunks = 0, []
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"The body has {declared} bytes; {limit} are allowed.")
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"The body has more than {limit} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


class Door:
    """Recognises callers by the first identity that knows their credentials."""

    def __init__(self, identities: Sequence[Identity], *, prefix: str) -> None:
        self._identities = identities
        self._prefix = prefix

    async def caller(self, request: Request) -> tuple[Caller, Grant | None]:
        """Who asks; a newcomer who sent nothing gets a grant, to be set as a cookie.

        Raises ``Unauthorized`` for a bearer token that nobody knows.
        """
        credentials = _credentials(request)
        for identity in self._identities:
            found = await identity.identify(credentials)
            if found is not None:
                return found, None
        if credentials.bearer is not None:
            raise Unauthorized("The bearer token is not known here.")
        grant = await self.grant()
        return grant.caller, grant

    async def grant(self) -> Grant:
        """Credentials for somebody new; ``Unauthorized`` where callers come from elsewhere."""
        for identity in self._identities:
            grant = await identity.issue()
            if grant is not None:
                return grant
        raise Unauthorized("Guests are not served here.", hint="Sign in first.")

    def context(self, request: Request, caller: Caller) -> RequestContext:
        """What the rest of the server may know of this request."""
        headers = request.headers
        selected = unquote(headers.get("x-selected-text", ""), errors="replace")
        return RequestContext(
            caller=caller,
            base_url=f"{str(request.base_url).rstrip('/')}{self._prefix}",
            locale=headers.get("accept-language", "en").split(",")[0].split(";")[0].strip() or "en",
            page=_path(headers.get("referer", "")),
            selected_text=selected.strip()[:SELECTED_TEXT_CHARS] or None,
            headers={k: v for k, v in headers.items() if k not in _SECRET_HEADERS},
            request_id=headers.get("x-request-id", ""),
        )


def remember(response: Response, grant: Grant | None, request: Request) -> None:
    """Gives a newcomer the cookie that keeps them the same caller."""
    if grant is None:
        return
    response.set_cookie(
        COOKIE,
        grant.token,
        max_age=max(0, int((grant.expires_at - now()).total_seconds())),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
    )


def _path(address: str) -> str | None:
    try:
        return urlsplit(address).path or None
    except ValueError:  # not an address at all, such as http://[x
        return None


def _credentials(request: Request) -> Credentials:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return Credentials(
        bearer=token.strip() if scheme.lower() == "bearer" and token.strip() else None,
        cookies=request.cookies,
        headers=dict(request.headers),
    )
