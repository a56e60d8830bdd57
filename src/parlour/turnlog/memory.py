"""Running turns in this process's memory: the turn log of a single server process."""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby

from parlour.errors import ConfigurationError, ThreadBusy, TurnNotFound
from parlour.turnlog.base import Entry, TextEntry, TurnInfo, TurnLog, TurnWriter

# Appended entries are packed a block at a time, so that packing costs little per entry and never
# holds up the loop for longer than a millisecond.
_BLOCK_ENTRIES = 1024
_BLOCK_BYTES = 256_000

_LOG_OVERHEAD = 1000


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive entries packed into one; ``starts[i]`` is where the text of ``first + i`` begins.

    An event is a run of its own. The offsets let a reader join after any entry of the run.
    """

    first: int
    entry: Entry
    starts: array[int]

    @property
    def last(self) -> int:
        return self.entry.seq

    @property
    def size(self) -> int:
        content = self.entry.delta if isinstance(self.entry, TextEntry) else self.entry.data
        return sys.getsizeof(content) + sys.getsizeof(self.starts)

    def since(self, after: int) -> Entry:
        """What is left after ``first - 1 <= after < last``."""
        entry = self.entry
        if not isinstance(entry, TextEntry):
            return entry
        rest = entry.delta[self.starts[after + 1 - self.first] :]
        return TextEntry(entry.seq, entry.item_id, entry.content_index, rest)


def _pack(entries: Sequence[Entry]) -> list[_Run]:
    """The same entries with neighbouring text of one item and part merged."""
    runs: list[_Run] = []
    for _, group in groupby(entries, _text_part):
        run = list(group)
        first, last = run[0], run[-1]
        if not isinstance(first, TextEntry):
            runs.append(_Run(first.seq, first, array("I")))
            continue
        deltas = [entry.delta for entry in run if isinstance(entry, TextEntry)]
        starts, at = array("I"), 0
        for delta in deltas:
            starts.append(at)
            at += len(delta)
        merged = TextEntry(last.seq, first.item_id, first.content_index, "".join(deltas))
        runs.append(_Run(first.seq, merged, starts))
    return runs


def _text_part(entry: Entry) -> tuple[str, int]:
    if isinstance(entry, TextEntry):
        return entry.item_id, entry.content_index
    return "", entry.seq


class _Log(TurnWriter):
    """One turn's entries: packed runs, then the newest entries as they came."""

    def __init__(self, owner: str, info: TurnInfo, memory: MemoryTurnLog) -> None:
        self.owner = owner
        self.info = info
        self.ended = False
        self.size = _LOG_OVERHEAD
        self._memory = memory
        self._runs: list[_Run] = []
        self._forgotten = 0  # the last sequence number that is no longer here
        self._packed = 0  # the last sequence number in a run
        self._newest: list[Entry] = []
        self._newest_bytes = 0
        self._stop = asyncio.Event()
        self._wake: asyncio.Event | None = None  # there only while a reader waits

    def append(self, entry: Entry) -> None:
        if self.ended:
            return  # a turn that outlives the log at shutdown; its readers have been told the end
        newest = self._newest
        newest.append(entry)
        if entry.seq != self._packed + len(newest):
            newest.pop()
            raise ValueError(f"Entry {entry.seq} does not follow {self._packed + len(newest)}.")
        content = entry.delta if isinstance(entry, TextEntry) else entry.data
        self._newest_bytes += len(content)
        if len(newest) >= _BLOCK_ENTRIES or self._newest_bytes >= _BLOCK_BYTES:
            self._settle()
        if self._wake is not None:
            self._notify()

    async def close(self) -> None:
        if not self.ended:
            self._memory.ended(self)

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    async def wait_stop(self) -> None:
        await self._stop.wait()

    def request_stop(self) -> None:
        if not self.ended:
            self._stop.set()

    def end(self) -> None:
        """Packs what is left and tells every reader that nothing more comes."""
        self.ended = True
        self._settle()
        self._notify()

    def since(self, after: int) -> list[Entry]:
        """Every entry with ``seq > after``, merged where packed; ``TurnNotFound`` if dropped."""
        if after >= self._packed:
            return self._newest[after - self._packed :]
        if after < self._forgotten:
            raise TurnNotFound("The beginning of this answer is no longer held.")
        at = bisect_right(self._runs, after, key=_last)
        packed = [run.entry for run in self._runs[at + 1 :]]
        return [self._runs[at].since(after), *packed, *self._newest]

    async def wait(self) -> None:
        """Returns when something was appended, or the log has ended."""
        # An event, not a bare future: cancelling one waiting reader must not cancel the others.
        if self._wake is None:
            self._wake = asyncio.Event()
        await self._wake.wait()

    def _notify(self) -> None:
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def _settle(self) -> None:
        runs = _pack(self._newest)
        self._runs += runs
        self._packed += len(self._newest)
        self._newest = []
        self._newest_bytes = 0
        self.size += sum(run.size for run in runs)
        excess = 0
        while self.size > self._memory.log_bytes and excess < len(self._runs) - 1:
            self._forgotten = self._runs[excess].last
            self.size -= self._runs[excess].size
            excess += 1
        del self._runs[:excess]


def _last(run: _Run) -> int:
    return run.last


@dataclass(slots=True)
class _Hold:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class MemoryTurnLog(TurnLog):
    """Keeps everything in memory, for one process.

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
        self._logs: dict[str, _Log] = {}
        self._running: dict[tuple[str, str], list[str]] = {}
        self._kept: dict[str, float] = {}  # ended turns and when they are forgotten, oldest first
        self._kept_bytes = 0
        self._holds: dict[str, _Hold] = {}

    @classmethod
    def from_spec(cls, spec: str) -> MemoryTurnLog:
        if spec != "memory":
            raise ConfigurationError(
                f"The memory turn log takes no address, but was given {spec!r}.",
                hint="Set PARLOUR_TURNLOG=memory.",
            )
        return cls()

    async def start(
        self, owner: str, turn_id: str, thread_id: str, *, may_stop: bool = True
    ) -> TurnWriter:
        self._forget_old()
        log = _Log(owner, TurnInfo(turn_id, thread_id, may_stop), self)
        self._logs[turn_id] = log
        self._running.setdefault((owner, thread_id), []).append(turn_id)
        return log

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

    def ended(self, log: _Log) -> None:
        """Moves a log from the running ones to those that are kept for latecomers."""
        log.end()
        turns = self._running[log.owner, log.info.thread_id]
        turns.remove(log.info.turn_id)
        if not turns:
            del self._running[log.owner, log.info.thread_id]
        self._kept[log.info.turn_id] = time.monotonic() + self._keep_seconds
        self._kept_bytes += log.size
        self._forget_old()

    def _find(self, owner: str, turn_id: str) -> _Log:
        self._forget_old()
        log = self._logs.get(turn_id)
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
