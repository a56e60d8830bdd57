"""What only the turn log in memory has: bounds, forgetting, and its speed."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
import weakref

import pytest

from parlour.errors import ConfigurationError, TurnNotFound
from parlour.turnlog.base import Entry, EventEntry, TextEntry
from parlour.turnlog.contract_conversation import ADA, conversation, read_all, told, write
from parlour.turnlog.memory import MemoryTurnLog


def tokens(count: int) -> list[Entry]:
    return [TextEntry(seq, "msg_1", 0, f"{seq:4d}!") for seq in range(1, count + 1)]


def rows(log: MemoryTurnLog) -> int:
    """How many turns, threads and locks the log holds on to."""
    return sum(len(held) for held in vars(log).values() if isinstance(held, dict))


async def test_an_ended_turn_is_forgotten_after_its_time() -> None:
    log = MemoryTurnLog(keep_seconds=0.1)
    await write(await log.start(ADA, "trn_1", "thr_1"), tokens(3))
    assert len(await read_all(log, "trn_1", 2)) == 1
    await asyncio.sleep(0.15)
    with pytest.raises(TurnNotFound):
        await log.find(ADA, "trn_1")
    with pytest.raises(TurnNotFound):
        await log.request_stop(ADA, "trn_1")
    assert rows(log) == 0


async def test_a_running_turn_is_never_forgotten() -> None:
    log = MemoryTurnLog(keep_seconds=0, keep_bytes=0)
    writer = await log.start(ADA, "trn_1", "thr_1")
    writer.append(EventEntry(1, b"{}"))
    await write(await log.start(ADA, "trn_2", "thr_2"), tokens(3))
    with pytest.raises(TurnNotFound):
        await log.find(ADA, "trn_2")
    await log.find(ADA, "trn_1")
    await writer.close()


async def test_the_newest_ended_turns_are_kept_when_there_is_no_room_for_all() -> None:
    log = MemoryTurnLog(keep_bytes=100_000)
    for number in range(20):
        event = EventEntry(1, b"x" * 20_000)
        await write(await log.start(ADA, f"trn_{number}", "thr_1"), [event])
    kept = []
    for number in range(20):
        try:
            await log.find(ADA, f"trn_{number}")
        except TurnNotFound:
            continue
        kept.append(number)
    assert kept == [16, 17, 18, 19]


async def test_a_reader_of_a_turn_that_is_being_forgotten_still_reads_to_the_end() -> None:
    log = MemoryTurnLog(keep_seconds=0)
    writer = await log.start(ADA, "trn_1", "thr_1")
    entries = conversation(100)
    reader = asyncio.create_task(read_all(log, "trn_1"))
    await asyncio.sleep(0)
    await write(writer, entries, pause_every=1000)
    with pytest.raises(TurnNotFound):
        await log.find(ADA, "trn_1")
    assert told(await reader) == told(entries)


async def test_a_long_answer_takes_little_more_memory_than_its_text() -> None:
    log = MemoryTurnLog()
    writer = await log.start(ADA, "trn_1", "thr_1")
    tracemalloc.start()
    try:
        text = 0
        for seq in range(1, 20_001):
            delta = f"{seq:4d}!"
            text += len(delta)
            writer.append(TextEntry(seq, "msg_1", 0, delta))
        assert tracemalloc.get_traced_memory()[0] < 3 * text
    finally:
        tracemalloc.stop()
    await writer.close()


async def test_beyond_its_bound_a_log_drops_its_beginning_and_never_what_a_reader_can_follow() -> (
    None
):
    log = MemoryTurnLog(log_bytes=60_000)
    writer = await log.start(ADA, "trn_1", "thr_1")
    entries = tokens(20_000)
    following = asyncio.create_task(read_all(log, "trn_1"))
    await write(writer, entries, pause_every=100)
    assert told(await following) == told(entries)
    with pytest.raises(TurnNotFound):
        await read_all(log, "trn_1")
    assert told(await read_all(log, "trn_1", 19_500)) == told(entries[19_500:])


async def test_a_reader_who_falls_behind_what_is_held_is_told_so() -> None:
    log = MemoryTurnLog(log_bytes=60_000)
    writer = await log.start(ADA, "trn_1", "thr_1")
    entries = tokens(20_000)
    writer.append(entries[0])
    reader = log.read(ADA, "trn_1")
    assert await anext(reader) == entries[:1]
    await write(writer, entries[1:])
    with pytest.raises(TurnNotFound):
        await anext(reader)


async def test_an_event_greater_than_the_bound_still_reaches_its_readers() -> None:
    log = MemoryTurnLog(log_bytes=1000)
    writer = await log.start(ADA, "trn_1", "thr_1")
    reader = asyncio.create_task(read_all(log, "trn_1"))
    await asyncio.sleep(0)
    await write(writer, [EventEntry(1, b"x" * 1_000_000)])
    assert len(await reader) == 1


async def test_entries_that_do_not_follow_each_other_are_refused_and_not_shown() -> None:
    log = MemoryTurnLog()
    writer = await log.start(ADA, "trn_1", "thr_1")
    first, second, third = tokens(3)
    writer.append(first)
    for wrong in (first, third):
        with pytest.raises(ValueError, match="does not follow 1"):
            writer.append(wrong)
    await write(writer, [second, third])
    assert told(await read_all(log, "trn_1")) == told([first, second, third])


async def test_words_after_the_end_change_nothing() -> None:
    log = MemoryTurnLog()
    writer = await log.start(ADA, "trn_1", "thr_1")
    first, second = tokens(2)
    await write(writer, [first])
    writer.append(second)
    assert await read_all(log, "trn_1") == [first]


async def test_a_position_before_the_beginning_is_the_beginning() -> None:
    log = MemoryTurnLog()
    writer = await log.start(ADA, "trn_1", "thr_1")
    writer.append(EventEntry(1, b"{}"))
    assert [entry.seq for entry in await anext(log.read(ADA, "trn_1", -7))] == [1]
    await writer.close()


async def test_a_reader_who_was_cancelled_leaves_no_trace() -> None:
    log = MemoryTurnLog()
    writer = await log.start(ADA, "trn_1", "thr_1")
    reader = log.read(ADA, "trn_1")
    gone = weakref.ref(reader)
    waiting = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    del reader, waiting
    gc.collect()
    assert gone() is None
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await writer.close()


async def test_a_lock_nobody_uses_is_not_kept() -> None:
    log = MemoryTurnLog()
    for number in range(10):
        async with log.hold(f"thr_{number}", 0):
            assert rows(log) == 1
    assert rows(log) == 0


async def test_a_closed_log_holds_nothing() -> None:
    log = MemoryTurnLog()
    for number in range(3):
        await log.start(ADA, f"trn_{number}", "thr_1")
    await write(await log.start(ADA, "trn_ended", "thr_2"), tokens(3))
    await log.close()
    await log.close()
    assert rows(log) == 0


async def test_appending_costs_next_to_nothing() -> None:
    log = MemoryTurnLog()
    entries = tokens(20_000)
    best = float("inf")
    for number in range(5):
        writer = await log.start(ADA, f"trn_{number}", "thr_1")
        began = time.process_time()
        for entry in entries:
            writer.append(entry)
        best = min(best, (time.process_time() - began) / len(entries))
        await writer.close()
    assert best < 5e-6  # 0.5 µs where this was written; the rest is for slower machines


def test_an_address_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        MemoryTurnLog.from_spec("memory:localhost")
