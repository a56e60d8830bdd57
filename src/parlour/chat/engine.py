"""The engine: requests in, stored JSON or running turns out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from parlour.answer.base import Answerer
from parlour.chat.attachments import Attachments
from parlour.chat.draining import Draining
from parlour.chat.operations import OPERATIONS, Prepared
from parlour.chat.recovery import Recovery, server_name
from parlour.chat.requests import parse_request
from parlour.chat.turn import Turn
from parlour.context import RequestContext
from parlour.errors import Conflict, DuplicateRequest, TurnNotFound
from parlour.protocol import new_id, now
from parlour.stores.base import Store, TurnRecord
from parlour.turnlog.base import Entry, TurnInfo, TurnLog

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """``busy_wait``: seconds a second turn on a thread waits for the first; 0 refuses it."""

    max_message_chars: int = 4000
    busy_wait: float = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """A turn has started; read it from the turn log. ``may_stop`` as its visitor was told."""

    turn_id: str
    may_stop: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """JSON, and the turn that is answering on the thread it shows."""

    body: bytes
    turn_id: str | None = None


class Engine:
    """Owns the running turns of this process."""

    def __init__(
        self,
        *,
        store: Store,
        turnlog: TurnLog,
        answerer: Answerer,
        attachments: Attachments,
        limits: Limits,
    ) -> None:
        self.store = store
        self.turnlog = turnlog
        self.answerer = answerer
        self.attachments = attachments
        self.limits = limits
        self._server = server_name()
        self._turns: dict[str, Turn] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._recovery = Recovery(store, self._server, self._turns)
        self.draining = Draining(self._turns, self._tasks)

    async def open(self) -> None:
        """Opens the store and the answerer, and closes what a dead server left running."""
        await self.store.open()
        await self.turnlog.open()
        await self.answerer.open(self.store)
        await self._recovery.start()

    async def close(self) -> None:
        """Ends running turns, after the time that ``draining`` gave them, and lets go of everything.

        Those that are not finished by then end as interrupted, with their text kept.
        """
        await self.draining.end()
        await self._recovery.stop()
        await self.turnlog.close()
        await self.answerer.close()
        await self.store.close()

    async def handle(
        self, body: bytes, context: RequestContext, *, key: str | None = None
    ) -> Answered | Running:
        """Answers a request with JSON, or starts the turn it asks for.

        ``key`` makes a streaming request idempotent: the same key of the same caller is one turn.
        Raises ``ParlourError`` for whatever can be refused before a turn starts.
        """
        request = parse_request(body, max_message_chars=self.limits.max_message_chars)
        context = context.with_metadata(request.metadata)
        try:
            result = await OPERATIONS[request.type](self, request, context)
        except Conflict:
            # A repetition may be refused for what the first one did: it took the attachments.
            kept = await self.store.find_turn(context.caller.owner, key) if key else None
            thread_id = request.params.get("thread_id")
            if kept is None or thread_id not in (kept.thread_id, None) or not request.streaming:
                raise
            return await self._again(context.caller.owner, kept)
        if isinstance(result, Prepared):
            with self.draining.starting():
                return await self._start(result, context.caller.owner, key)
        if request.type != "threads.get_by_id":
            return Answered(result)
        thread_id = request.text("thread_id")
        return Answered(result, await self.turnlog.running(context.caller.owner, thread_id))

    def read(self, owner: str, turn_id: str, after: int = 0) -> AsyncIterator[list[Entry]]:
        """The events of a turn with ``seq > after``; ``TurnNotFound`` when it is not the owner's."""
        return self.turnlog.read(owner, turn_id, after)

    async def find(self, owner: str, turn_id: str) -> TurnInfo:
        """The turn, if it can be read; ``TurnNotFound`` if not."""
        return await self.turnlog.find(owner, turn_id)

    def runs(self, turn_id: str) -> bool:
        """Whether this very server writes the answer of this turn."""
        return turn_id in self._turns

    async def stop(self, owner: str, turn_id: str) -> None:
        """Stops a turn; ``Conflict`` when its answerer does not allow that."""
        turn = await self.turnlog.find(owner, turn_id)
        if not turn.may_stop:
            raise Conflict("This answer cannot be stopped.", hint="Wait until it has ended.")
        await self.turnlog.request_stop(owner, turn_id)

    async def _start(self, prepared: Prepared, owner: str, key: str | None) -> Running:
        record = TurnRecord(
            id=new_id("turn"),
            owner=owner,
            thread_id=prepared.thread.id,
            server=self._server,
            beat_at=now(),
            key=key,
            # Kept with the turn, so that no moment remains at which a server's death can lose it.
            pending=[prepared.script.message] if prepared.script.message else [],
        )
        kept = await self.store.begin_turn(record)
        if kept.id != record.id:
            if kept.thread_id != record.thread_id and not prepared.new_thread:
                raise Conflict(
                    "This Idempotency-Key was used for another thread.",
                    hint="Use a new key for each request that is not a repetition.",
                )
            return await self._again(owner, kept)
        writer = await self.turnlog.start(
            owner, record.id, record.thread_id, may_stop=prepared.may_stop
        )
        turn = Turn(record, prepared.script, store=self.store, writer=writer)
        self._turns[turn.id] = turn
        task = asyncio.create_task(turn.run(self.turnlog, self.answerer, self.limits.busy_wait))
        self._tasks[task] = turn.id
        task.add_done_callback(self._forget)
        return Running(turn.id, prepared.may_stop)

    async def _again(self, owner: str, kept: TurnRecord) -> Running:
        """The earlier turn of the same Idempotency-Key."""
        try:
            turn = await self.turnlog.find(owner, kept.id)
        except TurnNotFound:
            raise DuplicateRequest(
                "This request was answered before.", thread_id=kept.thread_id
            ) from None
        return Running(kept.id, turn.may_stop)

    def _forget(self, task: asyncio.Task[None]) -> None:
        turn_id = self._tasks.pop(task)
        del self._turns[turn_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("turn %s broke", turn_id, exc_info=error)
