"""The tests every turn log must pass.

Subclass ``TurnLogContract`` in a test module and give it two fixtures, ``log`` and ``other``.
"""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from parlour.errors import ThreadBusy, TurnNotFound
from parlour.protocol import new_id
from parlour.turnlog.base import Entry, EventEntry, TurnLog
from parlour.turnlog.contract_conversation import (
    ADA,
    EVE,
    MOMENT,
    PATIENCE,
    conversation,
    end,
    read_all,
    told,
    write,
)
from parlour.turnlog.contract_elsewhere import Elsewhere


class _Reading:
    @pytest.fixture
    def log(self) -> TurnLog:
        raise NotImplementedError("Give a fixture `log` that opens your turn log, and closes it.")

    @pytest.fixture
    def other(self) -> TurnLog:
        raise NotImplementedError(
            "Give a fixture `other`: an open turn log on the same place, as another process of the "
            "same site has it; `log` itself if only one process can use your turn log."
        )

    async def test_a_reader_gets_every_entry_once_and_in_order(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(200)
        writer = await log.start(ADA, turn, "thr_1")
        reader = asyncio.create_task(read_all(log, turn))
        await write(writer, entries)
        assert told(await reader) == told(entries)

    async def test_an_entry_reaches_a_waiting_reader_before_the_turn_ends(
        self, log: TurnLog
    ) -> None:
        turn, entries = new_id("turn"), conversation(3)
        writer = await log.start(ADA, turn, "thr_1")
        reader = log.read(ADA, turn)
        async with asyncio.timeout(PATIENCE):
            for entry in entries:
                waiting = asyncio.ensure_future(anext(reader))
                await asyncio.sleep(0.01)
                writer.append(entry)
                assert told(await waiting) == told([entry])
        await writer.close()

    async def test_readers_who_join_at_any_moment_get_every_entry_once(self, log: TurnLog) -> None:
        turn, entries, dice = new_id("turn"), conversation(5000), random.Random(2)
        writer = await log.start(ADA, turn, "thr_1")
        writing = asyncio.create_task(write(writer, entries, pause_every=7))

        async def join() -> None:
            for _ in range(dice.randrange(700)):
                await asyncio.sleep(0)
            after = dice.choice((0, dice.randrange(len(entries))))
            assert told(await read_all(log, turn, after)) == told(entries[after:])

        await asyncio.gather(writing, *(join() for _ in range(60)))

    async def test_a_reader_who_leaves_and_comes_back_misses_and_repeats_nothing(
        self, log: TurnLog
    ) -> None:
        turn, entries, dice = new_id("turn"), conversation(3000), random.Random(3)
        writer = await log.start(ADA, turn, "thr_1")
        writing = asyncio.create_task(write(writer, entries, pause_every=5))
        seen: list[Entry] = []
        async with asyncio.timeout(PATIENCE):
            while not seen or seen[-1].seq < len(entries):
                patience = dice.randrange(1, 20)
                async for batch in log.read(ADA, turn, seen[-1].seq if seen else 0):
                    seen += batch
                    patience -= 1
                    if not patience:
                        break
        await writing
        assert told(seen) == told(entries)

    async def test_a_turn_can_be_joined_after_any_of_its_entries(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(300)
        await write(await log.start(ADA, turn, "thr_1"), entries)
        for after in range(len(entries) + 1):
            assert told(await read_all(log, turn, after)) == told(entries[after:])

    async def test_an_ended_turn_is_kept_for_latecomers(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(50)
        await write(await log.start(ADA, turn, "thr_1"), entries)
        assert told(await read_all(log, turn)) == told(entries)
        assert await read_all(log, turn, len(entries)) == []
        assert await read_all(log, turn, len(entries) + 1000) == []

    async def test_a_turn_that_says_nothing_ends_its_readers_all_the_same(
        self, log: TurnLog
    ) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1")
        reader = asyncio.create_task(read_all(log, turn))
        await asyncio.sleep(0)
        await writer.close()
        await writer.close()
        assert await reader == []

    async def test_a_slow_reader_gets_everything_and_holds_nobody_up(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(2000)
        writer = await log.start(ADA, turn, "thr_1")
        go_on = asyncio.Event()

        async def read_slowly() -> list[Entry]:
            slow: list[Entry] = []
            async for batch in log.read(ADA, turn):
                slow += batch
                await go_on.wait()
            return slow

        slow = asyncio.create_task(read_slowly())
        quick = asyncio.create_task(read_all(log, turn))
        await write(writer, entries, pause_every=11)
        assert told(await quick) == told(entries)
        assert not slow.done()
        go_on.set()
        assert told(await slow) == told(entries)

    async def test_what_waits_for_a_reader_comes_together(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(100)
        await write(await log.start(ADA, turn, "thr_1"), entries, pause_every=1000)
        assert len([batch async for batch in log.read(ADA, turn)]) < 10

    async def test_a_cancelled_reader_disturbs_nobody(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(1000)
        writer = await log.start(ADA, turn, "thr_1")
        staying = [asyncio.create_task(read_all(log, turn)) for _ in range(3)]
        leaving = [asyncio.create_task(read_all(log, turn)) for _ in range(20)]
        writing = asyncio.create_task(write(writer, entries))
        for reader in leaving:
            for _ in range(10):
                await asyncio.sleep(0)
            reader.cancel()
        await writing
        for result in await asyncio.gather(*leaving, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError)
        for reader in staying:
            assert told(await reader) == told(entries)

    async def test_turns_are_kept_apart(self, log: TurnLog) -> None:
        turns = {new_id("turn"): conversation(100, seed) for seed in range(10)}
        writers = [await log.start(ADA, turn, f"thr_{turn}") for turn in turns]
        readers = [asyncio.create_task(read_all(log, turn)) for turn in turns]
        await asyncio.gather(*map(write, writers, turns.values()))
        for reader, entries in zip(readers, turns.values(), strict=True):
            assert told(await reader) == told(entries)

    async def test_closing_the_log_ends_every_reader(self, log: TurnLog) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1")
        readers = [asyncio.create_task(read_all(log, turn)) for _ in range(3)]
        await asyncio.sleep(MOMENT)
        await log.close()
        assert await asyncio.gather(*readers) == [[], [], []]
        await writer.close()


class _Strangers:
    async def test_a_turn_nobody_started_is_not_found(self, log: TurnLog) -> None:
        await self._is_hidden(log, ADA, new_id("turn"))

    async def test_somebody_elses_turn_is_not_found(self, log: TurnLog) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1")
        writer.append(EventEntry(1, b"{}"))
        await self._is_hidden(log, EVE, turn)
        assert await log.running(EVE, "thr_1") is None
        assert not writer.stop_requested
        await writer.close()
        await self._is_hidden(log, EVE, turn)
        await log.find(ADA, turn)

    async def _is_hidden(self, log: TurnLog, owner: str, turn: str) -> None:
        with pytest.raises(TurnNotFound):
            await anext(log.read(owner, turn))
        with pytest.raises(TurnNotFound):
            await log.find(owner, turn)
        with pytest.raises(TurnNotFound):
            await log.request_stop(owner, turn)


class _Stopping:
    async def test_a_turn_runs_on_its_thread_until_it_ends(self, log: TurnLog) -> None:
        turn = new_id("turn")
        assert await log.running(ADA, "thr_1") is None
        writer = await log.start(ADA, turn, "thr_1")
        assert await log.running(ADA, "thr_1") == turn
        assert await log.running(ADA, "thr_2") is None
        await writer.close()
        assert await log.running(ADA, "thr_1") is None

    @pytest.mark.parametrize("first_to_end", [0, 1])
    async def test_a_turn_that_waits_behind_another_does_not_hide_it(
        self, log: TurnLog, first_to_end: int
    ) -> None:
        turns = [new_id("turn"), new_id("turn")]
        writers = [await log.start(ADA, turn, "thr_1") for turn in turns]
        assert await log.running(ADA, "thr_1") == turns[0]
        await writers[first_to_end].close()
        assert await log.running(ADA, "thr_1") == turns[1 - first_to_end]
        await writers[1 - first_to_end].close()
        assert await log.running(ADA, "thr_1") is None

    async def test_asking_a_turn_to_stop_reaches_its_writer(self, log: TurnLog) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1")
        waiting = asyncio.create_task(writer.wait_stop())
        await asyncio.sleep(MOMENT)
        assert not waiting.done()
        assert not writer.stop_requested
        await log.request_stop(ADA, turn)
        await log.request_stop(ADA, turn)
        async with asyncio.timeout(PATIENCE):
            await waiting
            await writer.wait_stop()
        assert writer.stop_requested
        await writer.close()

    async def test_a_stop_asked_for_before_anybody_waits_is_not_lost(self, log: TurnLog) -> None:
        turn = new_id("turn")
        writer = await log.start(ADA, turn, "thr_1")
        await log.request_stop(ADA, turn)
        async with asyncio.timeout(PATIENCE):
            await writer.wait_stop()
        await writer.close()

    async def test_a_stop_stops_one_turn_only(self, log: TurnLog) -> None:
        turns = [new_id("turn"), new_id("turn")]
        stopped, other = [await log.start(ADA, turn, "thr_1") for turn in turns]
        await log.request_stop(ADA, turns[0])
        async with asyncio.timeout(PATIENCE):
            await stopped.wait_stop()
        assert not other.stop_requested

    async def test_stopping_a_turn_that_has_ended_is_harmless(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(5)
        await write(await log.start(ADA, turn, "thr_1"), entries)
        await log.request_stop(ADA, turn)
        assert told(await read_all(log, turn)) == told(entries)

    async def test_a_turn_asked_to_stop_can_still_say_its_last_words(self, log: TurnLog) -> None:
        turn, entries = new_id("turn"), conversation(5)
        writer = await log.start(ADA, turn, "thr_1")
        await log.request_stop(ADA, turn)
        await write(writer, entries)
        assert told(await read_all(log, turn)) == told(entries)


class _Locking:
    async def test_one_turn_holds_a_thread_at_a_time(self, log: TurnLog) -> None:
        holders = most = 0

        async def hold() -> None:
            nonlocal holders, most
            async with log.hold("thr_1", PATIENCE):
                holders += 1
                most = max(most, holders)
                await asyncio.sleep(0.001)
                holders -= 1

        await asyncio.gather(*(hold() for _ in range(20)))
        assert most == 1

    async def test_a_thread_is_handed_on_in_the_order_of_asking(self, log: TurnLog) -> None:
        served: list[int] = []

        async def hold(number: int) -> None:
            async with log.hold("thr_1", PATIENCE):
                served.append(number)

        async with log.hold("thr_1", 0):
            waiting = []
            for number in range(5):
                waiting.append(asyncio.create_task(hold(number)))
                await asyncio.sleep(MOMENT)
        await asyncio.gather(*waiting)
        assert served == [0, 1, 2, 3, 4]

    async def test_other_threads_do_not_wait(self, log: TurnLog) -> None:
        async with log.hold("thr_1", 0), log.hold("thr_2", 0), log.hold("thr_3", 0):
            pass

    async def test_a_busy_thread_is_refused_at_once_when_there_is_no_time_to_wait(
        self, log: TurnLog
    ) -> None:
        async with log.hold("thr_1", 0):
            began = time.monotonic()
            with pytest.raises(ThreadBusy):
                await self._enter(log, 0)
            assert time.monotonic() - began < 0.5

    async def test_a_busy_thread_is_refused_after_the_time_to_wait_and_not_before(
        self, log: TurnLog
    ) -> None:
        async with log.hold("thr_1", 0):
            began = time.monotonic()
            with pytest.raises(ThreadBusy):
                await self._enter(log, 0.2)
            assert 0.15 < time.monotonic() - began < 1.5

    async def test_a_thread_that_gets_free_in_time_is_taken(self, log: TurnLog) -> None:
        async with log.hold("thr_1", 0):
            waiting = asyncio.create_task(self._enter(log, PATIENCE))
            await asyncio.sleep(MOMENT)
            assert not waiting.done()
        await waiting

    async def test_a_thread_is_free_after_a_failure(self, log: TurnLog) -> None:
        with pytest.raises(ZeroDivisionError):
            async with log.hold("thr_1", 0):
                raise ZeroDivisionError
        await self._enter(log, 0)

    async def test_a_thread_is_free_after_its_holder_was_cancelled(self, log: TurnLog) -> None:
        holder = asyncio.create_task(self._enter(log, 0, stay=PATIENCE))
        await asyncio.sleep(MOMENT)
        await end(holder)
        await self._enter(log, 0)

    async def test_those_who_give_up_waiting_let_the_next_one_in(self, log: TurnLog) -> None:
        async with log.hold("thr_1", 0):
            cancelled = asyncio.create_task(self._enter(log, PATIENCE))
            impatient = asyncio.create_task(self._enter(log, 0.02))
            patient = asyncio.create_task(self._enter(log, PATIENCE))
            await asyncio.sleep(MOMENT)
            await end(cancelled)
            with pytest.raises(ThreadBusy):
                await impatient
        await patient
        await self._enter(log, 0)

    async def test_whoever_is_cancelled_as_the_thread_gets_free_does_not_keep_it(
        self, log: TurnLog
    ) -> None:
        for steps in range(6):
            async with log.hold("thr_1", 0):
                waiting = asyncio.create_task(self._enter(log, PATIENCE))
                await asyncio.sleep(0.01)
            for _ in range(steps):
                await asyncio.sleep(0)
            await end(waiting)
            await self._enter(log, 0.5)

    async def _enter(self, log: TurnLog, wait: float, stay: float = 0) -> None:
        async with log.hold("thr_1", wait):
            await asyncio.sleep(stay)


@pytest.mark.asyncio
class TurnLogContract(_Reading, _Strangers, _Stopping, _Locking, Elsewhere):
    """What ``parlour.turnlog.base`` promises."""
