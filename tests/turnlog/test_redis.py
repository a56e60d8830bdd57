"""What only the turn log in Redis has: processes that die, and a Redis that is away or forgets."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from parlour.errors import ThreadBusy, TurnLogUnavailable, TurnNotFound
from parlour.http.health import HealthRoutes
from parlour.protocol import new_id
from parlour.stores.memory import MemoryStore
from parlour.turnlog.base import Entry, EventEntry, TextEntry, TurnLog, TurnWriter
from parlour.turnlog.contract_conversation import ADA, conversation, read_all, told, write
from parlour.turnlog.redis import RedisTurnLog
from tests.services.redis import Redis
from tests.turnlog.conftest import Open
from tests.turnlog.doomed import LENGTH

PATIENCE = 1.5
"""How much longer than promised a machine may take that others use too."""


async def read_long(log: TurnLog, turn: str, seconds: float = 60) -> list[Entry]:
    """As ``read_all``, with patience for a Redis that is away."""
    entries: list[Entry] = []
    async with asyncio.timeout(seconds):
        async for batch in log.read(ADA, turn):
            entries += batch
    return entries


async def speak(writer: TurnWriter, entries: list[Entry], until: asyncio.Event) -> None:
    """Says half of it, then goes on slowly; the rest once ``until`` is set."""
    for entry in entries:
        writer.append(entry)
        if entry.seq > len(entries) // 2 and not until.is_set():
            await asyncio.sleep(0.02)
    await until.wait()
    await writer.close()


async def busy(log: TurnLog, thread: str) -> bool:
    try:
        async with log.hold(thread, 0):
            return False
    except ThreadBusy:
        return True


# -- Redis that forgets, freezes, refuses ---------------------------------------------------------


async def test_a_redis_that_restarts_empty_in_mid_answer_costs_nobody_a_word(
    own: Redis, opened: Open
) -> None:
    log, other = await opened(), await opened()
    turn, entries, back = new_id("turn"), conversation(2000), asyncio.Event()
    async with log.hold("thr_1", 10):
        writer = await log.start(ADA, turn, "thr_1")
        readers = [asyncio.create_task(read_long(place, turn)) for place in (log, other, other)]
        writing = asyncio.create_task(speak(writer, entries, back))
        await asyncio.sleep(0.3)
        for _ in range(2):
            await asyncio.to_thread(own.kill)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(own.start)
            assert await busy(other, "thr_1")
        late = asyncio.create_task(read_long(await opened(), turn))
        assert (await other.find(ADA, turn)).thread_id == "thr_1"
        assert await other.running(ADA, "thr_1") == turn
        await other.request_stop(ADA, turn)
        async with asyncio.timeout(10):
            await writer.wait_stop()
        back.set()
        await writing
        for reader in (*readers, late):
            assert told(await reader) == told(entries)
    async with other.hold("thr_1", 1):
        pass


async def test_a_redis_that_freezes_for_longer_than_a_lease_gives_no_thread_to_two(
    own: Redis, opened: Open
) -> None:
    log, other = await opened(), await opened()
    turn, entries, back = new_id("turn"), conversation(1000), asyncio.Event()
    holding = asyncio.Event()

    async def take() -> None:
        async with other.hold("thr_1", 60):
            assert not holding.is_set()

    async def ask_again_and_again() -> None:
        while True:
            try:
                async with other.hold("thr_1", 0):
                    assert not holding.is_set()
            except (ThreadBusy, TurnLogUnavailable):
                await asyncio.sleep(0.05)

    async with log.hold("thr_1", 10):
        holding.set()
        taking = asyncio.create_task(take())
        asking = asyncio.create_task(ask_again_and_again())
        writer = await log.start(ADA, turn, "thr_1")
        readers = [asyncio.create_task(read_long(place, turn)) for place in (log, other)]
        writing = asyncio.create_task(speak(writer, entries, back))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(own.freeze, 7.5)
        await asyncio.sleep(4)
        assert not asking.done()
        assert not taking.done() or taking.exception() is not None
        back.set()
        await writing
        for reader in readers:
            assert told(await reader) == told(entries)
        holding.clear()
    asking.cancel()
    await asyncio.wait([asking, taking])
    if error := taking.exception():
        assert isinstance(error, TurnLogUnavailable)
    async with other.hold("thr_1", 5):
        pass


async def test_a_stop_asked_for_while_redis_is_away_for_a_moment_is_not_lost(
    own: Redis, opened: Open
) -> None:
    log, other = await opened(), await opened()
    turn = new_id("turn")
    writer = await log.start(ADA, turn, "thr_1")
    await asyncio.to_thread(own.kill)
    stopping = asyncio.create_task(other.request_stop(ADA, turn))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own.start)
    await stopping
    async with asyncio.timeout(10):
        await writer.wait_stop()
    await writer.close()


async def test_without_redis_turns_go_on_for_those_who_are_here(own: Redis, opened: Open) -> None:
    log, other = await opened(), await opened()
    turn, entries = new_id("turn"), conversation(500)
    await asyncio.to_thread(own.kill)
    began = time.monotonic()
    writer = await log.start(ADA, turn, "thr_1")
    reader = asyncio.create_task(read_all(log, turn))
    assert await log.running(ADA, "thr_1") == turn
    assert (await log.find(ADA, turn)).turn_id == turn
    await write(writer, entries)
    assert told(await reader) == told(entries)
    assert time.monotonic() - began < 3
    began = time.monotonic()
    refused = await asyncio.gather(
        other.find(ADA, turn),
        other.request_stop(ADA, turn),
        anext(other.read(ADA, turn)),
        busy(other, "thr_1"),
        other.healthy(),
        return_exceptions=True,
    )
    assert time.monotonic() - began < 8
    for error in refused:
        assert isinstance(error, TurnLogUnavailable)
        assert f"127.0.0.1:{own.port}" in error.message
    await asyncio.to_thread(own.start)
    assert told(await read_all(other, turn)) == told(entries)
    await other.healthy()


async def test_connections_that_are_cut_cost_nobody_a_word(own: Redis, opened: Open) -> None:
    log, other = await opened(), await opened()
    turn, entries, back = new_id("turn"), conversation(2000), asyncio.Event()
    writer = await log.start(ADA, turn, "thr_1")
    reader = asyncio.create_task(read_long(other, turn))
    writing = asyncio.create_task(speak(writer, entries, back))
    for kind in ("normal", "pubsub", "normal", "pubsub"):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(own.client, "CLIENT", "KILL", "TYPE", kind)
    back.set()
    await writing
    assert told(await reader) == told(entries)


async def test_a_redis_without_room_is_told_again_when_it_has_some(
    own: Redis, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    log, other = await opened(), await opened()
    turn, entries, back = new_id("turn"), conversation(2000), asyncio.Event()
    writer = await log.start(ADA, turn, "thr_1")
    reader = asyncio.create_task(read_long(other, turn))
    await asyncio.to_thread(own.client, "CONFIG", "SET", "maxmemory", "1")
    writing = asyncio.create_task(speak(writer, entries, back))
    async with asyncio.timeout(10):
        while "Redis refuses it" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.to_thread(own.client, "CONFIG", "SET", "maxmemory", "0")
    back.set()
    await writing
    assert told(await reader) == told(entries)


async def test_a_clock_that_jumps_gives_no_thread_to_two_and_keeps_none(shared: Open) -> None:
    log, other = await shared(), await shared()
    async with log.hold("thr_clock", 10):
        for place in (log, other):
            place._link._clock += 3_600_000  # as if the server's clock had been set back an hour
        with pytest.raises(ThreadBusy):
            async with other.hold("thr_clock", 0.5):
                pass
        assert await busy(other, "thr_clock")
    async with other.hold("thr_clock", 1):
        pass


async def test_health_names_redis_when_it_is_away(own: Redis, opened: Open) -> None:
    log, store = await opened(), MemoryStore()
    health = HealthRoutes(store, log)
    assert (await health.health()).status_code == 200
    await asyncio.to_thread(own.kill)
    async with asyncio.timeout(10):
        while (response := await health.health()).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert response.status_code == 503
    checks = json.loads(bytes(response.body))["checks"]
    assert checks["database"]["ok"]
    assert f"127.0.0.1:{own.port}" in checks["turnlog"]["reason"]


# -- processes that die ----------------------------------------------------------------------------


async def test_a_holder_has_time_to_say_so_to_a_redis_that_has_forgotten(
    own: Redis, opened: Open
) -> None:
    log, turn = await opened(), new_id("turn")
    command = [sys.executable, "-m", "tests.turnlog.doomed", own.url, turn, "thr_1"]
    holder = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"ready\n"
    holder.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(own.kill)
    await asyncio.to_thread(own.start)
    asking = asyncio.create_task(busy(log, "thr_1"))
    await asyncio.sleep(1)
    holder.send_signal(signal.SIGCONT)
    assert await asking
    assert (await log.find(ADA, turn)).thread_id == "thr_1"
    holder.kill()
    await holder.wait()


async def test_a_killed_writers_readers_are_cut_off_and_its_thread_is_free(
    own: Redis, opened: Open
) -> None:
    log, turn = await opened(), new_id("turn")
    command = [sys.executable, "-m", "tests.turnlog.doomed", own.url, turn, "thr_1"]
    doomed = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert doomed.stdout is not None
    assert await doomed.stdout.readline() == b"ready\n"
    reader = asyncio.create_task(read_long(log, turn))
    assert await log.running(ADA, "thr_1") == turn
    assert await busy(log, "thr_1")
    doomed.kill()
    await doomed.wait()
    began = time.monotonic()
    async with log.hold("thr_1", 30):
        pass
    with pytest.raises(TurnLogUnavailable):
        await reader
    assert time.monotonic() - began < 10 * PATIENCE
    assert await log.running(ADA, "thr_1") is None
    read: list[Entry] = []
    with suppress(TurnLogUnavailable, TurnNotFound):
        async for batch in log.read(ADA, turn):
            read += batch
    assert told(read) in (told(conversation(LENGTH)), [])
    with suppress(TurnNotFound):  # and the page loads the thread instead
        for _ in range(60):
            await log.find(ADA, turn)
            await asyncio.sleep(0.5)
        pytest.fail("the turn of a dead server is still found")


# -- limits -----------------------------------------------------------------------------------------


async def test_many_readers_and_turns_need_two_connections_a_process(
    own: Redis, opened: Open
) -> None:
    log, other = await opened(), await opened()
    turns = [new_id("turn") for _ in range(20)]
    writers = [await log.start(ADA, turn, f"thr_{turn}") for turn in turns]
    entries = conversation(200)
    readers = [asyncio.create_task(read_long(other, turn)) for turn in turns * 10]
    await asyncio.sleep(0.5)
    await asyncio.gather(*(write(writer, entries, pause_every=7) for writer in writers))
    clients = await asyncio.to_thread(own.client, "CLIENT", "LIST")
    assert len([line for line in clients if line]) <= 5  # the last one is who asks
    for reader in readers:
        assert told(await reader) == told(entries)


async def test_a_reader_elsewhere_who_needs_what_was_dropped_is_told_so(
    own: Redis, opened: Open
) -> None:
    other = await opened()
    log = RedisTurnLog(own.url, log_bytes=60_000)
    await log.open()
    turn = new_id("turn")
    entries: list[Entry] = [TextEntry(seq, "msg_1", 0, f"{seq:9d}!") for seq in range(1, 40_001)]
    writer = await log.start(ADA, turn, "thr_1")
    await write(writer, entries, pause_every=100)
    assert told(await read_all(other, turn, 39_900)) == told(entries[39_900:])
    with pytest.raises(TurnNotFound):
        await read_all(other, turn)
    assert int((await asyncio.to_thread(own.client, "INFO", "memory"))[1].split(":")[1]) < 4_000_000
    await log.close()


async def test_every_key_has_an_end(redis: Redis, shared: Open) -> None:
    log, other = await shared(), await shared()
    await write(await log.start(ADA, new_id("turn"), "thr_1"), conversation(50))
    running = await log.start(ADA, new_id("turn"), "thr_1")
    running.append(EventEntry(1, b"{}"))
    async with log.hold("thr_1", 10):
        waiting = asyncio.create_task(busy(other, "thr_2"))
        queueing = asyncio.ensure_future(other.hold("thr_1", 20).__aenter__())
        await asyncio.sleep(0.5)
        keys = [key for key in await asyncio.to_thread(redis.client, "KEYS", "*") if key]
        assert len(keys) >= 8
        for key in keys:
            (left, *_) = await asyncio.to_thread(redis.client, "TTL", key)
            assert 0 <= int(left) <= 120, key
        assert not await waiting
        queueing.cancel()
    await running.close()


@pytest.mark.parametrize(
    "strange", ["", "a\r\nFLUSHALL\r\n", "*", "{x}", "}{", "\x00", "\ud83d", "a b:c", "x" * 100_000]
)
async def test_strange_names_are_names(shared: Open, strange: str) -> None:
    log, other = await shared(), await shared()
    turn = new_id("turn")
    writer = await log.start(strange, turn, strange)
    assert (await other.find(strange, turn)).thread_id == strange
    assert await other.running(strange, strange) == turn
    assert await other.running(strange + "x", strange) is None
    assert await other.running("", strange + strange) == (turn if not strange else None)
    with pytest.raises(TurnNotFound):
        await other.find(strange + "x", turn)
    for unknown in (strange, f"{turn}:log"):
        with pytest.raises(TurnNotFound):
            await other.find(strange, unknown)
        with pytest.raises(TurnNotFound):
            await other.request_stop(strange, unknown)
    async with log.hold(strange, 0):
        assert await busy(other, strange)
        assert not await busy(other, strange + "x")
    await writer.close()
