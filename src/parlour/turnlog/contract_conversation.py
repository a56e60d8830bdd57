"""Turns for the tests of turn logs, and hands that write and read them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress

from parlour.turnlog.base import Entry, EventEntry, TextEntry, TurnLog, TurnWriter

ADA = "guest:ada"
EVE = "guest:eve"

PATIENCE = 10.0
MOMENT = 0.05
_WORDS = (
    "Hello",
    ", ",
    "wörld",
    " 你好",
    "👩‍🚀",
    "\n\n",
    "",
    "a longer piece of text. ",
    "e\u0301",
)


def conversation(length: int, seed: int = 1) -> list[Entry]:
    """Entries as a turn writes them: runs of text in several items and parts, events between."""
    dice = random.Random(seed)
    entries: list[Entry] = []
    item, part = "msg_1", 0
    for seq in range(1, length + 1):
        if dice.random() < 0.05:
            entries.append(EventEntry(seq, b'{"type":"progress_update","text":"%d"}' % seq))
            continue
        if dice.random() < 0.05:
            item, part = dice.choice(("msg_1", "msg_2")), dice.randrange(2)
        entries.append(TextEntry(seq, item, part, dice.choice(_WORDS)))
    return entries


def told(entries: Iterable[Entry]) -> list[tuple[str, int, str] | bytes]:
    """What entries say, however text that belongs together was cut into pieces."""
    said: list[tuple[str, int, str] | bytes] = []
    for entry in entries:
        if isinstance(entry, EventEntry):
            said.append(entry.data)
            continue
        last = said[-1] if said else b""
        if isinstance(last, tuple) and last[:2] == (entry.item_id, entry.content_index):
            said[-1] = (*last[:2], last[2] + entry.delta)
        else:
            said.append((entry.item_id, entry.content_index, entry.delta))
    return said


async def read_all(log: TurnLog, turn_id: str, after: int = 0) -> list[Entry]:
    """Everything after ``after`` until the turn ends; fails if that takes too long."""
    entries: list[Entry] = []
    async with asyncio.timeout(PATIENCE):
        async for batch in log.read(ADA, turn_id, after):
            assert batch, "a batch is never empty"
            entries += batch
    numbers = [entry.seq for entry in entries]
    assert numbers == sorted(set(numbers)), "sequence numbers rise"
    assert not numbers or numbers[0] > after
    return entries


async def write(writer: TurnWriter, entries: Sequence[Entry], *, pause_every: int = 1) -> None:
    """Appends entries, letting readers run after each or every so many, and ends the turn."""
    for entry in entries:
        writer.append(entry)
        if entry.seq % pause_every == 0:
            await asyncio.sleep(0)
    await writer.close()


async def end(task: asyncio.Task[None]) -> None:
    """Cancels a task and waits until it has gone."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
