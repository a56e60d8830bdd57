"""Sends what this process's turns say to Redis, together and in the background."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from parlour.errors import TurnLogUnavailable, TurnNotFound
from parlour.turnlog.base import Entry, TurnWriter
from parlour.turnlog.local import LocalLog
from parlour.turnlog.redis_batch import encode_batch
from parlour.turnlog.redis_link import Command, Link, run
from parlour.turnlog.redis_scripts import BEGIN, ENTER, PUBLISH, as_bytes, thread_key, turn_keys

RUNNING_MS = 60_000
"""How long Redis keeps a running turn after its writer's last sign of life."""

_PAUSE = 0.004
_LAZY = 0.25
_MANY = 1000  # entries that are not left to wait
_FLUSH_BYTES = 4_000_000
_MOST_TURNS = 64  # in one go, so that the loop is never held up for long
_ENTER_SECONDS = 20.0
_CLOSE_SECONDS = 2.0

log = logging.getLogger(__name__)


class Published(TurnWriter):
    """A turn of this process: written to memory, and from there to Redis."""

    def __init__(self, turn: LocalLog, publisher: Publisher) -> None:
        self.log = turn
        self.keys = turn_keys(turn.info.turn_id)
        self.at = 0
        """The last entry that Redis has."""
        self.begun = False
        """Redis knows the turn."""
        self.told_end = asyncio.Event()
        """Redis knows the end of it."""
        self.ended_at = 0.0
        self.place = ""
        self.entered_at = -math.inf
        """When it was last put among the turns of its thread."""
        self.flushed_at = 0.0
        self.listeners = 0
        self.rests = True
        """Nothing waits to be sent."""
        self.refused = False
        self._publisher = publisher
        self._batches: deque[int] = deque()
        self._batches_bytes = 0
        self._trims = False

    def append(self, entry: Entry) -> None:
        self.log.append(entry)
        if self.rests:
            self._publisher.wake(self)

    async def close(self) -> None:
        await self.log.close()
        await self._publisher.finish(self)

    @property
    def stop_requested(self) -> bool:
        return self.log.stop_requested

    async def wait_stop(self) -> None:
        await self.log.wait_stop()

    def forgotten(self) -> None:
        """Redis does not have this turn, or not what follows: it has to hear all there is."""
        self.begun = False
        self.at = self.log.dropped
        self.entered_at = -math.inf
        self._batches.clear()
        self._batches_bytes = 0
        self._trims = False

    def kept(self, size: int) -> None:
        """Redis has one more batch of so many bytes."""
        self._batches.append(size)
        self._batches_bytes += size
        while self._batches_bytes > self.log.max_bytes and len(self._batches) > 1:
            self._batches_bytes -= self._batches.popleft()
            self._trims = True

    @property
    def most_batches(self) -> int | str:
        """How many batches Redis is to keep with the next one; empty while all of them."""
        return len(self._batches) + 1 if self._trims else ""


@dataclass(slots=True)
class _Sending:
    """What is being told about a turn: with ``ENTER`` first if ``entered``, ``PUBLISH`` last."""

    turn: Published
    commands: list[Command]
    entered: bool
    last: int
    size: int
    ended: bool


class Publisher:
    """One background task for all turns.

    A turn that somebody reads elsewhere is sent at once, and what comes in the following
    milliseconds together; one that nobody reads, four times a second. Nothing is ever given up: what
    Redis has not taken is sent again when it is back, and all of it to a Redis that has forgotten.
    """

    def __init__(self, link: Link, channel: str, keep_seconds: float) -> None:
        self._link = link
        self._channel = channel
        self._keep_seconds = keep_seconds
        self._turns: dict[str, Published] = {}
        self._due: list[Published] = []
        self._lazy: list[Published] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Waits a moment for ends that Redis has not heard yet."""
        await asyncio.gather(*(self.finish(turn) for turn in self._turns.values()))
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._timer is not None:
            self._timer.cancel()
        self._turns.clear()

    async def begin(self, turn: LocalLog) -> Published:
        """Makes a turn known; goes on without, if Redis is away, and tells it later."""
        published = Published(turn, self)
        self._turns[turn.info.turn_id] = published
        published.rests = False
        if self._link.connected:
            sending = self._sending(published)
            with suppress(TurnLogUnavailable):
                self._took(sending, await self._link.send(*sending.commands))
        self._go_on(published)
        return published

    def stop(self, turn_id: str) -> None:
        """Somebody elsewhere wants this turn to stop."""
        if turn := self._turns.get(turn_id):
            turn.log.request_stop()

    def read(self, turn_id: str) -> None:
        """Somebody elsewhere has begun to read this turn."""
        if turn := self._turns.get(turn_id):
            turn.listeners = max(turn.listeners, 1)
            turn.rests = False
            self._due.append(turn)
            self._wanted.set()

    def wake(self, turn: Published) -> None:
        """Something was appended; costs next to nothing."""
        turn.rests = False
        self._schedule(turn)

    def touch(self, quiet: float = 0.0) -> None:
        """Says that turns are alive, those that said nothing for so long; thus learns what Redis knows."""
        now = time.monotonic()
        self._due = [turn for turn in dict.fromkeys(self._due) if self._knows(turn)]
        for turn_id, turn in list(self._turns.items()):
            if turn.ended_at and now - turn.ended_at > self._keep_seconds:
                del self._turns[turn_id]  # Redis was away for so long that nobody asks any more
            elif now - turn.flushed_at >= quiet:
                turn.rests = False
                self._due.append(turn)
        self._wanted.set()

    async def finish(self, turn: Published) -> None:
        """Returns when Redis knows the end, or soon without that."""
        if turn.told_end.is_set():
            return
        turn.ended_at = turn.ended_at or time.monotonic()
        turn.rests = False
        self._due.append(turn)
        self._wanted.set()
        if self._link.connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await turn.told_end.wait()

    def _knows(self, turn: Published) -> bool:
        """Whether Redis has still something to hear about this turn."""
        return turn.log.info.turn_id in self._turns and not turn.told_end.is_set()

    def _schedule(self, turn: Published) -> None:
        if turn.listeners and not turn.refused:
            self._due.append(turn)
            self._wanted.set()
            return
        self._lazy.append(turn)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LAZY, self._ripen)

    def _ripen(self) -> None:
        self._timer = None
        self._due += self._lazy
        self._lazy = []
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._due = list(dict.fromkeys(self._due))
            turns = self._due[:_MOST_TURNS]
            del self._due[:_MOST_TURNS]
            try:
                await self._flush(turns)
            except TurnLogUnavailable:
                self._due += turns
            except Exception:
                log.exception("%d running answers could not be told to Redis", len(turns))
            turns.clear()  # what is forgotten while Redis is away must not be held here
            await self._link.back()
            if self._due:
                self._wanted.set()
            await asyncio.sleep(_PAUSE)

    async def _flush(self, turns: Sequence[Published]) -> None:
        flying: list[tuple[_Sending, asyncio.Future[list[object]]]] = []
        size = 0
        for turn in turns:
            if not self._knows(turn):
                continue
            if size > _FLUSH_BYTES:
                self._due.append(turn)
                continue
            sending = self._sending(turn)
            size += sending.size
            flying.append((sending, self._link.send(*sending.commands)))
        for sending, replies in flying:
            self._took(sending, await replies)
            self._go_on(sending.turn)

    def _sending(self, turn: Published) -> _Sending:
        info, (meta, kept, channel) = turn.log.info, turn.keys
        force = ""
        try:
            entries = turn.log.unmerged(turn.at)
        except TurnNotFound:
            turn.forgotten()
            force = "1"
            entries = turn.log.unmerged(turn.at)
        last = turn.at + len(entries)
        ended = turn.log.ended and last == turn.log.last
        batch = encode_batch(entries, last, ended=ended)
        commands: list[Command] = []
        turn.flushed_at = time.monotonic()
        entered = not ended and turn.flushed_at - turn.entered_at > _ENTER_SECONDS
        thread = thread_key(turn.log.owner, info.thread_id)
        if entered:
            turn.entered_at = turn.flushed_at
            commands.append(run(ENTER, thread, info.turn_id, turn.place, RUNNING_MS))
        elif ended:
            commands.append(("ZREM", thread, info.turn_id))
        if not turn.begun:
            who = (as_bytes(turn.log.owner), as_bytes(info.thread_id), int(info.may_stop))
            begin = (meta, kept, *who, self._channel, turn.at, force, RUNNING_MS)
            commands.append(run(BEGIN, *begin))
        ttl = int(self._keep_seconds * 1000) if ended else RUNNING_MS
        what = (turn.at, last, batch, turn.most_batches, "1" if ended else "", ttl)
        commands.append(run(PUBLISH, meta, kept, channel, *what))
        return _Sending(turn, commands, entered, last, len(batch) if entries else 0, ended)

    def _took(self, sending: _Sending, replies: list[object]) -> None:
        """Takes note of what Redis has now."""
        turn = sending.turn
        if refused := next((each for each in replies if isinstance(each, Exception)), None):
            if not turn.refused:
                log.warning("turn %s: Redis refuses it: %s", turn.log.info.turn_id, refused)
            turn.refused = True
            return
        turn.refused = False
        if sending.entered:
            turn.place = cast(bytes, replies[0]).decode()
        last, listeners, stop = cast(tuple[bytes, int, bytes], replies[-1])
        if not last:
            turn.forgotten()
            return
        turn.begun = True
        turn.at = int(last)
        if listeners < 0:
            return  # nothing was added: Redis has a batch already whose reply was lost
        turn.listeners = listeners
        if sending.size:
            turn.kept(sending.size)
        if stop:
            turn.log.request_stop()
        if sending.ended:
            turn.told_end.set()

    def _go_on(self, turn: Published) -> None:
        """Lets a turn rest until its next entry, or has sent what is left."""
        left = turn.log.last - turn.at
        if turn.told_end.is_set():
            self._turns.pop(turn.log.info.turn_id, None)
        elif turn.begun and not left and not turn.log.ended:
            turn.rests = True
        elif turn.refused or (turn.begun and not turn.log.ended and left < _MANY):
            self._schedule(turn)
        else:
            self._due.append(turn)
            self._wanted.set()
