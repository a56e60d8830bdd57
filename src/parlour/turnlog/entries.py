"""One turn's entries in memory: appended fast, packed small, read from any place."""

from __future__ import annotations

import asyncio
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from parlour.errors import TurnNotFound
from parlour.turnlog.base import Entry, TextEntry

# Appended entries are packed a block at a time, so that packing costs little per entry and never
# holds up the loop for longer than a millisecond.
_BLOCK_ENTRIES = 1024
_BLOCK_BYTES = 256_000

_OVERHEAD = 1000


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

    def unpacked(self, after: int) -> Iterator[Entry]:
        """The entries with ``seq > after`` as they were appended."""
        entry = self.entry
        if not isinstance(entry, TextEntry):
            yield entry
            return
        ends = [*self.starts[1:], len(entry.delta)]
        for index in range(max(0, after + 1 - self.first), len(ends)):
            delta = entry.delta[self.starts[index] : ends[index]]
            yield TextEntry(self.first + index, entry.item_id, entry.content_index, delta)


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


def _last(run: _Run) -> int:
    return run.last


class Entries:
    """Packed runs, then the newest entries as they came.

    They take little more memory than their text, and never more than about ``max_bytes``: beyond
    that the beginning is dropped, and a reader who needs it gets ``TurnNotFound``.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = _OVERHEAD
        self.ended = False
        self.dropped = 0
        """The last sequence number that is no longer here."""
        self._runs: list[_Run] = []
        self._packed = 0  # the last sequence number in a run
        self._newest: list[Entry] = []
        self._newest_bytes = 0
        self._wake: asyncio.Event | None = None  # there only while a reader waits

    @property
    def last(self) -> int:
        """The last sequence number; 0 before the first."""
        return self._packed + len(self._newest)

    def append(self, entry: Entry) -> None:
        """Adds the entry that follows the last one; nothing is added after the end."""
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

    def end(self) -> None:
        """Packs what is left and tells every reader that nothing more comes."""
        self.ended = True
        self._settle()
        self._notify()

    def skip(self, last: int) -> None:
        """Forgets everything: the next entry to come is the one after ``last``."""
        self._runs, self._newest, self._newest_bytes = [], [], 0
        self.size = _OVERHEAD
        self.dropped = self._packed = last

    def since(self, after: int) -> list[Entry]:
        """Every entry with ``seq > after``, merged where packed; ``TurnNotFound`` if dropped."""
        if after >= self._packed:
            return self._newest[after - self._packed :]
        at = self._run_after(after)
        packed = [run.entry for run in self._runs[at + 1 :]]
        return [self._runs[at].since(after), *packed, *self._newest]

    def unmerged(self, after: int) -> list[Entry]:
        """Some of the entries with ``seq > after`` as they were appended: at least a block of them.

        Raises ``TurnNotFound`` if they were dropped.
        """
        if after >= self._packed:
            return self._newest[after - self._packed :]
        found: list[Entry] = []
        for run in self._runs[self._run_after(after) :]:
            found += run.unpacked(after)
            if len(found) >= _BLOCK_ENTRIES or run.size >= _BLOCK_BYTES:
                break
        return found

    async def wait(self) -> None:
        """Returns when something was appended, or the end has come."""
        # An event, not a bare future: cancelling one waiting reader must not cancel the others.
        if self._wake is None:
            self._wake = asyncio.Event()
        await self._wake.wait()

    def _run_after(self, after: int) -> int:
        if after < self.dropped:
            raise TurnNotFound("The beginning of this answer is no longer held.")
        return bisect_right(self._runs, after, key=_last)

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
        while self.size > self.max_bytes and excess < len(self._runs) - 1:
            self.dropped = self._runs[excess].last
            self.size -= self._runs[excess].size
            excess += 1
        del self._runs[:excess]
