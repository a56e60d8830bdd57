"""The protocol's one address, and the turns behind it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from parlour.chat.engine import Engine, Running
from parlour.errors import BadRequest, TurnNotFound
from parlour.http.edge import Door, read_body, remember
from parlour.http.stream import EventStream, accepted
from parlour.identity.base import Grant
from parlour.protocol import encode

_NUMBER: Final = re.compile(r"(?:^|:)([0-9]{1,18})$")


@dataclass(frozen=True, slots=True)
class ChatRoutes:
    """``POST /chatkit``, resume, stop, and ``POST /session``."""

    engine: Engine
    door: Door
    max_body_bytes: int
    heartbeat: float

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/chatkit", self.post, methods=["POST"])
        router.add_api_route("/chatkit/turns/{turn_id}", self.resume, methods=["GET"])
        router.add_api_route("/chatkit/turns/{turn_id}/stop", self.stop, methods=["POST"])
        router.add_api_route("/session", self.session, methods=["POST"])
        return router

    async def post(self, request: Request) -> Response:
        """A ChatKit request: JSON back, or a stream of events."""
        body = await read_body(request, self.max_body_bytes)
        caller, grant = await self.door.caller(request)
        context = self.door.context(request, caller)
        key = request.headers.get("idempotency-key", "").strip()[:200] or None
        result = await self.engine.handle(body, context, key=key)
        if isinstance(result, Running):
            return self._stream(request, caller.owner, result, grant=grant)
        response = Response(result.body, media_type="application/json")
        if result.turn_id is not None:
            response.headers["Parlour-Turn"] = result.turn_id
        remember(response, grant, request)
        return response

    async def resume(self, request: Request, turn_id: str, after: int = 0) -> Response:
        """The rest of a turn, from ``after`` or the Last-Event-ID on."""
        caller, _ = await self.door.caller(request)
        await self.engine.find(caller.owner, turn_id)
        if last := request.headers.get("last-event-id"):
            number = _NUMBER.search(last)
            if number is None:
                raise BadRequest(
                    "The Last-Event-ID does not end in a number.", hint="Send the last id received."
                )
            after = int(number[1])
        return self._stream(request, caller.owner, Running(turn_id), after=after, resumed=True)

    async def stop(self, request: Request, turn_id: str) -> Response:
        """Stops a turn wherever it is being read."""
        caller, _ = await self.door.caller(request)
        await self.engine.stop(caller.owner, turn_id)
        return Response(b"{}", media_type="application/json")

    async def session(self, request: Request) -> Response:
        """A new guest's token."""
        grant = await self.door.grant()
        body = encode({"token": grant.token, "expires_at": grant.expires_at.isoformat()})
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    def _stream(
        self,
        request: Request,
        owner: str,
        running: Running,
        *,
        after: int = 0,
        resumed: bool = False,
        grant: Grant | None = None,
    ) -> EventStream:
        """A reader of a turn. A client that cannot resume means stop by closing."""
        resumes = resumed or request.headers.get("parlour-resume") == "1"
        stays = resumes or not running.may_stop
        # A turn of another server goes on without us, and its reader can read on there.
        elsewhere = resumes and not self.engine.runs(running.turn_id)

        async def stop() -> None:
            with suppress(TurnNotFound):
                await self.engine.stop(owner, running.turn_id)

        response = EventStream(
            running.turn_id,
            self.engine.read(owner, running.turn_id, after),
            form=accepted(request.headers.get("accept", "")),
            heartbeat=self.heartbeat,
            headers={"Parlour-Turn": running.turn_id},
            on_disconnect=None if stays else stop,
            cut=self.engine.draining.begun if elsewhere else None,
        )
        remember(response, grant, request)
        return response
