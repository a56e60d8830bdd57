"""The part of the contract that concerns turns of another process."""

from __future__ import annotations

import asyncio
import random

import pytest

from parlour.errors import ThreadBusy, TurnNotFound
from parlour.protocol import new_id
from parlour.turnlog.base import Entry, EventEntry, TextEntry, TurnInfo, TurnLog
from parlour.turnlog.contract_conversation import (
    ADA,
    EVE,
    MOMENT,
    PATIENCE,
    conversation,
    read_all,
    told,
    write,
)


class Elsewhere:
    """What holds for a turn that another process runs."""

    async def test_a_turn_can_be_read_from_elsewhere(self, log: TurnLog, other: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(3000)
        writer = await log.start(ADA, turn, "thr_1")
        early = [asyncio.create_task(read_all(other, turn)) for _ in range(3)]
        await write(writer, entries, pause_every=3)
        for reader in early:
            assert told(await reader) == told(entries)
        for after in (0, 1, 1234, len(entries) - 1, len(entries)):
            assert told(await read_all(other, turn, after)) == told(entries[after:])
        assert await read_all(other, turn, len(entries) + 1000) == []

    async def test_an_entry_reaches_a_reader_elsewhere_before_the_turn_ends(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        turn, entries = new_id("turn"), conversation(5)
        writer = await log.start(ADA, turn, "thr_1")
        reader = other.read(ADA, turn)
        async with asyncio.timeout(PATIENCE):
            for entry in entries:
                waiting = asyncio.ensure_future(anext(reader))
                await asyncio.sleep(0.01)
                writer.append(entry)
                assert told(await waiting) == told([entry])
            waiting = asyncio.ensure_future(anext(reader))
            await writer.close()
            with pytest.raises(StopAsyncIteration):
                await waiting

    async def test_readers_who_come_and_go_elsewhere_miss_and_repeat_nothing(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        turn, entries, dice = new_id("turn"), conversation(3000), random.Random(4)
        writer = await log.start(ADA, turn, "thr_1")
        writing = asyncio.create_task(write(writer, entries, pause_every=5))

        async def come_and_go() -> None:
            seen: list[Entry] = []
            while not seen or seen[-1].seq < len(entries):
                patience = dice.randrange(1, 20)
                source = dice.choice((log, other))
                async for batch in source.read(ADA, turn, seen[-1].seq if seen else 0):
                    seen += batch
                    patience -= 1
                    if not patience:
                        break
            assert told(seen) == told(entries)

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(come_and_go() for _ in range(10)))
        await writing

    async def test_half_an_emoji_gets_through_to_elsewhere(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        turn = new_id("turn")
        halves: list[Entry] = [
            EventEntry(1, b"{}"),
            TextEntry(2, "msg_1", 0, "\ud83d"),
            TextEntry(3, "msg_1", 0, "\ude00"),
        ]
        await write(await log.start(ADA, turn, "thr_1"), halves, pause_every=9)
        assert told(await read_all(other, turn)) == told(halves)
        assert told(await read_all(other, turn, 2)) == told(halves[2:])

    async def test_a_turn_elsewhere_is_found_by_its_owner_only(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1", may_stop=False)
        assert await other.find(ADA, turn) == TurnInfo(turn, "thr_1", may_stop=False)
        for stranger in (EVE, "", ADA + "\n", "*"):
            with pytest.raises(TurnNotFound):
                await other.find(stranger, turn)
            with pytest.raises(TurnNotFound):
                await anext(other.read(stranger, turn))
            with pytest.raises(TurnNotFound):
                await other.request_stop(stranger, turn)
            assert await other.running(stranger, "thr_1") is None
        reader = other.read(ADA, turn)
        writer.append(EventEntry(1, b"{}"))
        assert [entry.seq for entry in await anext(reader)] == [1]
        with pytest.raises(TurnNotFound):
            await anext(other.read(EVE, turn))
        assert not writer.stop_requested
        await writer.close()

    async def test_the_first_of_the_turns_on_a_thread_is_known_everywhere(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        turns = [new_id("turn") for _ in range(3)]
        places = (log, other, log)
        writers = [
            await place.start(ADA, turn, "thr_1") for place, turn in zip(places, turns, strict=True)
        ]
        for turn, writer in zip(turns, writers, strict=True):
            assert await log.running(ADA, "thr_1") == turn
            assert await other.running(ADA, "thr_1") == turn
            await writer.close()
        assert await log.running(ADA, "thr_1") is None
        assert await other.running(ADA, "thr_1") is None

    async def test_a_stop_from_elsewhere_reaches_the_writer(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1")
        waiting = asyncio.create_task(writer.wait_stop())
        await asyncio.sleep(MOMENT)
        assert not writer.stop_requested
        await other.request_stop(ADA, turn)
        async with asyncio.timeout(PATIENCE):
            await waiting
        await write(writer, conversation(5))
        await other.request_stop(ADA, turn)
        assert told(await read_all(other, turn)) == told(conversation(5))

    async def test_a_thread_held_elsewhere_is_busy(self, log: TurnLog, other: TurnLog) -> None:
        async with log.hold("thr_1", 0):
            for wait in (0, 0.1):
                with pytest.raises(ThreadBusy):
                    async with other.hold("thr_1", wait):
                        pass
            async with other.hold("thr_2", 0):
                pass
        async with other.hold("thr_1", 0):
            pass

    async def test_a_thread_is_handed_on_between_processes_in_the_order_of_asking(
        self, log: TurnLog, other: TurnLog
    ) -> None:
        served: list[int] = []

        async def hold(place: TurnLog, number: int) -> None:
            async with place.hold("thr_1", PATIENCE):
                served.append(number)
                await asyncio.sleep(0.01)

        async with log.hold("thr_1", 0):
            waiting = []
            for number, place in enumerate((other, log, other, other, log, log, other)):
                waiting.append(asyncio.create_task(hold(place, number)))
                await asyncio.sleep(MOMENT)
            leaving = waiting.pop(3)
            leaving.cancel()
        await asyncio.gather(*waiting)
        assert served == [0, 1, 2, 4, 5, 6]
