"""A turn: one answer from its first event to its one end, owned by the app."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from parlour.answer.base import Answerer, AnswerEvent, Question, Text
from parlour.chat import events
from parlour.chat.recorder import Recorder
from parlour.errors import Conflict, ParlourError, ShuttingDown, ThreadBusy, TurnLogUnavailable
from parlour.protocol import JsonObject, is_hidden
from parlour.stores.base import Outcome, Store, TurnRecord
from parlour.turnlog.base import TurnLog, TurnWriter

STOP_GRACE = 5.0
"""Seconds an answerer has to let go after it was told to stop; then the turn ends without it."""
TITLE_GRACE = 3.0
"""Seconds a finished answer waits for its thread's title."""
END_PAUSES = (0.5, 2.0, 5.0)
"""Seconds between the attempts to store the end of a turn in a database that is busy or away."""

log = logging.getLogger(__name__)

Begin = Callable[[Recorder], Awaitable[AsyncIterator[AnswerEvent]]]


@dataclass(slots=True)
class Script:
    """What a turn is to do: ``begin`` runs under the thread's lock and gives back the answer.

    ``message`` is the question it stores first, ``untitled`` what a new thread's title is made
    from. ``retired`` are the items a retry has taken away, for showing them again should it not
    finish.
    """

    begin: Begin
    message: JsonObject | None = None
    untitled: Question | None = None
    retired: list[JsonObject] = field(default_factory=list)


class Turn:
    """Runs a script, records what it says, and closes in one place with one of four outcomes."""

    def __init__(
        self, record: TurnRecord, script: Script, *, store: Store, writer: TurnWriter
    ) -> None:
        self.id = record.id
        self.owner = record.owner
        self.thread_id = record.thread_id
        self._script = script
        self._store = store
        self._writer = writer
        self._recorder = Recorder(
            record.owner,
            record.id,
            record.thread_id,
            store,
            writer,
            lost=lambda: self.end("interrupted"),
        )
        self._ending: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting: asyncio.Timeout | None = None
        self._said_all = False
        self._over = False

    def end(self, outcome: Outcome) -> None:
        """Asks the turn to end now, as ``stopped`` or ``interrupted``."""
        if not self._ending.done():
            self._ending.set_result(outcome)
        if outcome == "interrupted" and self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + STOP_GRACE)

    async def run(self, turnlog: TurnLog, answerer: Answerer, wait: float) -> None:
        """The whole turn; never raises what an answerer or a store raises."""
        watch = asyncio.create_task(self._watch_stop())
        try:
            async with AsyncExitStack() as held:
                await self._wait_for_thread(held, turnlog.hold(self.thread_id, wait))
                outcome, error = await self._perform(answerer)
                await self._close(outcome, error)
        except (ThreadBusy, TurnLogUnavailable) as refused:
            await self._close("failed", refused)
        except ShuttingDown:
            # Nobody is left to wait for the thread; the question is kept as it is after a death.
            question = [self._script.message] if self._script.message else []
            self._recorder.asked = True
            await self._close("interrupted", None, question)
        finally:
            watch.cancel()
            await self._writer.close()

    async def _wait_for_thread(
        self, held: AsyncExitStack, lock: AbstractAsyncContextManager[None]
    ) -> None:
        """Takes the lock; ``ShuttingDown`` when it is not free soon after the turn was interrupted."""
        try:
            async with asyncio.timeout(None) as self._waiting:
                await held.enter_async_context(lock)
        except TimeoutError:
            raise ShuttingDown("This server is shutting down.") from None
        finally:
            self._waiting = None

    async def _watch_stop(self) -> None:
        await self._writer.wait_stop()
        self.end("stopped")

    async def _perform(self, answerer: Answerer) -> tuple[Outcome, BaseException | None]:
        try:
            # Never cancelled: a question that was sent is kept, however soon its answer is stopped.
            answer = await self._script.begin(self._recorder)
        except Exception as error:
            return self._failed(error)
        if self._ending.done():
            return self._ending.result(), None
        work = asyncio.create_task(self._consume(answer, answerer))
        first: set[asyncio.Future[Any]] = {work, self._ending}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await self._let_go(work)
            if not self._said_all:
                return self._ending.result(), None
        elif work.cancelled():
            return "interrupted", None
        elif broken := work.exception():
            return self._failed(broken)
        return ("failed" if self._recorder.failed else "finished"), None

    def _failed(self, error: BaseException) -> tuple[Outcome, BaseException]:
        if not isinstance(error, ParlourError):
            log.error("turn %s: the answerer failed", self.id, exc_info=error)
        return "failed", error

    async def _let_go(self, work: asyncio.Task[None]) -> None:
        work.cancel()
        _, late = await asyncio.wait({work}, timeout=STOP_GRACE)
        if late:
            log.warning("turn %s: its answerer did not stop", self.id)
        elif not work.cancelled() and (error := work.exception()):
            log.info("turn %s: %r while stopping", self.id, error)

    async def _consume(self, answer: AsyncIterator[AnswerEvent], answerer: Answerer) -> None:
        recorder = self._recorder
        titling = self._start_title(answerer)
        try:
            async for event in answer:
                if self._over:
                    return  # an answerer that would not stop has nothing to say any more
                if type(event) is Text:
                    recorder.text(event.delta)
                else:
                    await recorder.take(event)
            self._said_all = True
            if titling is not None:
                await asyncio.wait({titling}, timeout=TITLE_GRACE)
        finally:
            if titling is not None:
                titling.cancel()
            if isinstance(answer, AsyncGenerator):
                await answer.aclose()

    def _start_title(self, answerer: Answerer) -> asyncio.Task[None] | None:
        question = self._script.untitled
        if question is None:
            return None
        return asyncio.create_task(self._title(answerer, question))

    async def _title(self, answerer: Answerer, question: Question) -> None:
        try:
            title = await answerer.title(question)
            if title is None:
                return
            thread = await self._store.load_thread(self.owner, self.thread_id)
            if thread.title is None:
                changed = await self._store.update_thread(
                    self.owner, self.thread_id, {"title": title}
                )
                self._recorder.emit(events.thread_updated(changed))
        except Exception as error:
            # A thread without a title is a smaller loss than an answer that fails for want of one.
            log.warning("thread %s got no title: %r", self.thread_id, error)

    async def _close(
        self, outcome: Outcome, error: BaseException | None, question: Sequence[JsonObject] = ()
    ) -> None:
        """The one place where a turn ends: stored first, then told."""
        self._over = True
        recorder = self._recorder
        items = [*question, *await recorder.settle()]
        new = [*recorder.finished.values(), *items]
        if outcome != "finished" and recorder.asked:
            items = [*items, events.mark(self.thread_id, outcome)]
        unstored = await self._store_end(outcome, items)
        if unstored is None:
            if outcome != "finished" and self._script.retired:
                # What was retired comes back in its place, which is before all that is new.
                for item in new:
                    if not is_hidden(item):
                        recorder.emit(events.item_removed(item["id"]))
                items = [*self._script.retired, *recorder.finished.values(), *items]
            for item in items:
                if not is_hidden(item):
                    recorder.emit(events.item_done(item))
        if told := error or unstored:
            recorder.emit(events.failure(told))

    async def _store_end(
        self, outcome: Outcome, items: Sequence[JsonObject]
    ) -> BaseException | None:
        """Stores the end, patiently; what failed if it cannot be.

        Then the turn is left as it is in the store, and recovery ends it with its journalled text.
        A turn that another server has ended, because it took this one for dead, stays as it is.
        """
        for pause in (*END_PAUSES, None):
            try:
                ended = await self._store.end_turn(self.owner, self.id, outcome, items)
                if ended is None or (ended == outcome and not self._recorder.taken):
                    return None
                return Conflict("This answer was ended elsewhere.")
            except Exception as error:
                if pause is None:
                    log.error("turn %s: its end could not be stored: %r", self.id, error)
                    return error
            await asyncio.sleep(pause)
        return None
