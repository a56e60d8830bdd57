"""How long a client may take to send the body of a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parlour.errors import RequestTimeout

SLOWEST: Final = 500
"""Bytes a second below which no body is worth waiting for."""


@dataclass(frozen=True, slots=True)
class BodyTimeout:
    """Raises ``RequestTimeout`` out of ``receive`` when a body pauses for ``seconds``, or drips.

    A body has ``seconds``, and one more for each 500 bytes that have come. Its end is not timed:
    what comes then is only the news that the client is gone.
    """

    app: ASGIApp
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        clock = asyncio.get_running_loop().time
        until = clock() + self.seconds
        whole = False

        async def timed() -> Message:
            nonlocal until, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(min(until, clock() + self.seconds)):
                    message = await receive()
            except TimeoutError:
                raise RequestTimeout("The rest of the request did not come.") from None
            until += len(message.get("body", b"")) / SLOWEST
            whole = not message.get("more_body", False)
            return message

        await self.app(scope, timed, send)
