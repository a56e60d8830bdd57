"""The turns that run in this process: what a turn log in memory is, and the near half of others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from parlour.errors import ThreadBusy, TurnNotFound
from parlour.turnlog.base import Entry, TurnInfo, TurnLog, TurnWriter
from parlour.turnlog.entries import Entries


class LocalLog(Entries, TurnWriter):
    """One turn's entries, with whose they are and whether it shall stop."""

    def __init__(self, owner: str, info: TurnInfo, turns: LocalTurnLog) -> None:
        super().__init__(turns.log_bytes)
        self.owner = owner
        self.info = info
        self._turns = turns
        self._stop = asyncio.Event()

    async def close(self) -> None:
        if not self.ended:
            self._turns.ended(self)

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    async def wait_stop(self) -> None:
        await self._stop.wait()

    def request_stop(self) -> None:
        if not self.ended:
            self._stop.set()


@dataclass(slots=True)
class _Hold:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class LocalTurnLog(TurnLog):
    """Keeps turns in memory, for one process.

    A log takes little more than its text, and never more than about ``log_bytes``: beyond that its
    beginning is dropped, and a reader who needs it gets ``TurnNotFound``. Ended logs are kept for
    ``keep_seconds``, the newest of them, up to ``keep_bytes`` together.
    """

    def __init__(
        self,
        *,
        keep_seconds: float = 120,
        keep_bytes: int = 64_000_000,
        log_bytes: int = 16_000_000,
    ) -> None:
        self.log_bytes = log_bytes
        self._keep_seconds = keep_seconds
        self._keep_bytes = keep_bytes
        self._logs: dict[str, LocalLog] = {}
        self._running: dict[tuple[str, str], list[str]] = {}
        self._kept: dict[str, float] = {}  # ended turns and when they are forgotten, oldest first
        self._kept_bytes = 0
        self._holds: dict[str, _Hold] = {}

    async def start(
        self, owner: str, turn_id: str, thread_id: str, *, may_stop: bool = True
    ) -> TurnWriter:
        return self._begin(owner, turn_id, thread_id, may_stop)

    def _begin(self, owner: str, turn_id: str, thread_id: str, may_stop: bool) -> LocalLog:
        self._forget_old()
        log = LocalLog(owner, TurnInfo(turn_id, thread_id, may_stop), self)
        self._logs[turn_id] = log
        self._running.setdefault((owner, thread_id), []).append(turn_id)
        return log

    def _log(self, turn_id: str) -> LocalLog | None:
        """A turn that runs here or is still kept, whoever it belongs to."""
        self._forget_old()
        return self._logs.get(turn_id)

    async def read(self, owner: str, turn_id: str, after: int = 0) -> AsyncIterator[list[Entry]]:
        log = self._find(owner, turn_id)
        after = max(after, 0)
        while True:
            batch = log.since(after)
            if batch:
                after = batch[-1].seq
                yield batch
            elif log.ended:
                return
            else:
                await log.wait()

    async def find(self, owner: str, turn_id: str) -> TurnInfo:
        return self._find(owner, turn_id).info

    async def running(self, owner: str, thread_id: str) -> str | None:
        turns = self._running.get((owner, thread_id))
        return turns[0] if turns else None

    async def request_stop(self, owner: str, turn_id: str) -> None:
        self._find(owner, turn_id).request_stop()

    @asynccontextmanager
    async def hold(self, thread_id: str, wait: float) -> AsyncIterator[None]:
        hold = self._holds.setdefault(thread_id, _Hold())
        hold.users += 1
        try:
            try:
                async with asyncio.timeout(wait):
                    await hold.lock.acquire()
            except TimeoutError:
                raise ThreadBusy("An answer is already being written in this thread.") from None
            try:
                yield
            finally:
                hold.lock.release()
        finally:
            hold.users -= 1
            if not hold.users:
                del self._holds[thread_id]

    async def close(self) -> None:
        for log in list(self._logs.values()):
            await log.close()
        self._logs.clear()
        self._kept.clear()
        self._kept_bytes = 0

    def ended(self, log: LocalLog) -> None:
        """Moves a log from the running ones to those that are kept for latecomers."""
        log.end()
        turns = self._running[log.owner, log.info.thread_id]
        turns.remove(log.info.turn_id)
        if not turns:
            del self._running[log.owner, log.info.thread_id]
        self._kept[log.info.turn_id] = time.monotonic() + self._keep_seconds
        self._kept_bytes += log.size
        self._forget_old()

    def _find(self, owner: str, turn_id: str) -> LocalLog:
        log = self._log(turn_id)
        if log is None or log.owner != owner:
            raise TurnNotFound(f"There is no running answer {turn_id}.")
        return log

    def _forget_old(self) -> None:
        now = time.monotonic()
        while self._kept:
            turn_id, until = next(iter(self._kept.items()))
            if until > now and self._kept_bytes <= self._keep_bytes:
                return
            del self._kept[turn_id]
            self._kept_bytes -= self._logs.pop(turn_id).size
