"""What only the turn log in Redis has: processes that die, and a Redis that is away or forgets."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from parlour.errors import ConfigurationError, ThreadBusy, TurnLogUnavailable, TurnNotFound
from parlour.http.health import HealthRoutes
from parlour.protocol import new_id
from parlour.stores.memory import MemoryStore
from parlour.turnlog.base import Entry, EventEntry, TextEntry, TurnLog, TurnWriter
from parlour.turnlog.contract_conversation import ADA, conversation, read_all, told, write
from parlour.turnlog.redis import RedisTurnLog
from tests.services.redis import Redis
from tests.services.running import free_port, program
from tests.turnlog.doomed import LENGTH

PATIENCE = 1.5
"""How much longer than promised a machine may take that others use too."""

Open = Callable[[], Awaitable[RedisTurnLog]]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that the test may break."""
    service = Redis(tmp_path, ours=True)
    service.start()
    yield service
    service.kill()


@asynccontextmanager
async def opening(url: str) -> AsyncIterator[Open]:
    """Opens turn logs on one Redis, each as another process would have it."""
    async with AsyncExitStack() as stack:

        async def open_one() -> RedisTurnLog:
            log = RedisTurnLog.from_spec(url)
            await log.open()
            stack.push_async_callback(log.close)
            return log

        yield open_one


@pytest.fixture
async def opened(own: Redis) -> AsyncIterator[Open]:
    async with opening(own.url) as open_one:
        yield open_one


@pytest.fixture
async def shared(redis: Redis) -> AsyncIterator[Open]:
    """On a Redis that other tests use too, and that is old enough to give threads at once."""
    async with opening(redis.url) as open_one:
        yield open_one


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


async def test_a_killed_writers_readers_reach_an_end_and_its_thread_is_free(
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
    assert told(await reader) == told(conversation(LENGTH))
    assert time.monotonic() - began < 10 * PATIENCE
    assert await log.running(ADA, "thr_1") is None
    assert told(await read_long(log, turn)) == told(conversation(LENGTH))
    await log.request_stop(ADA, turn)


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


# -- opening ----------------------------------------------------------------------------------------


async def test_a_redis_that_is_not_there_is_named_without_the_password() -> None:
    log = RedisTurnLog.from_spec("redis://ada:hunter2@127.0.0.1:1/3")
    began = time.monotonic()
    with pytest.raises(TurnLogUnavailable, match=r"127\.0\.0\.1:1") as raised:
        await log.open()
    assert time.monotonic() - began < 3
    assert "hunter2" not in repr(raised.value) + raised.value.message + raised.value.hint
    await log.close()


async def test_a_wrong_password_is_said_and_not_told(own: Redis) -> None:
    await asyncio.to_thread(own.client, "CONFIG", "SET", "requirepass", "s3cret")
    for url in (own.url, own.url.replace("//", "//:hunter2@")):
        with pytest.raises(TurnLogUnavailable, match=r"(?i)auth|password") as raised:
            await RedisTurnLog.from_spec(url).open()
        assert "hunter2" not in raised.value.message
    log = RedisTurnLog.from_spec(own.url.replace("//", "//:s3cret@") + "/2?protocol=3")
    await log.open()
    writer = await log.start(ADA, "trn_1", "thr_1")
    await write(writer, conversation(10))
    await log.close()


@pytest.mark.parametrize("url", ["redis://h:port", "redis://h?db=x", "redis://h?nonsense=1"])
def test_an_address_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        RedisTurnLog.from_spec(url)


async def test_a_redis_from_before_streams_is_refused() -> None:
    gone: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        gone.append(task)
        if await reader.read(100):
            writer.write(b"$22\r\nredis_version:4.0.14\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TurnLogUnavailable, match=r"4\.0\.14"):
            await RedisTurnLog.from_spec(f"redis://127.0.0.1:{port}").open()
        await asyncio.wait(gone)


async def test_a_redis_that_may_throw_answers_away_is_warned_of(
    own: Redis, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(own.client, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING):
        await opened()
    assert "allkeys-lru" in caplog.text


async def test_each_script_keeps_to_one_slot_of_a_cluster(tmp_path: Path) -> None:
    service = Redis(tmp_path, "--cluster-enabled", "yes", ours=True)
    service.start()
    try:
        service.client("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while "cluster_state:ok" not in service.client("CLUSTER", "INFO"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        log, other = RedisTurnLog.from_spec(service.url), RedisTurnLog.from_spec(service.url)
        await log.open()
        await other.open()
        turn, entries = new_id("turn"), conversation(500)
        writer = await log.start(ADA, turn, "thr_1")
        async with log.hold("thr_1", 0):
            assert await busy(other, "thr_1")
            assert await other.running(ADA, "thr_1") == turn
            reader = asyncio.create_task(read_all(other, turn))
            await other.request_stop(ADA, turn)
            async with asyncio.timeout(10):
                await writer.wait_stop()
            await write(writer, entries, pause_every=9)
        assert told(await reader) == told(entries)
        assert not await busy(other, "thr_1")
        await log.close()
        await other.close()
    finally:
        service.kill()


async def test_a_unix_socket_will_do(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    service = Redis(tmp_path, "--unixsocket", str(path), ours=True)
    service.start()
    try:
        log = RedisTurnLog.from_spec(f"unix://{path}?db=1")
        await log.open()
        await write(await log.start(ADA, "trn_1", "thr_1"), conversation(10))
        assert told(await read_all(log, "trn_1")) == told(conversation(10))
        await log.close()
    finally:
        service.kill()


async def test_tls_will_do(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    make += ["-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, make, check=True, capture_output=True)
    key.chmod(0o644)
    port = free_port()
    options = ["--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key]
    options += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"]
    service = Redis(tmp_path, *map(str, options), ours=True)
    await asyncio.to_thread(service.start)
    try:
        with pytest.raises(TurnLogUnavailable, match=r"(?i)certificate"):
            await RedisTurnLog.from_spec(f"rediss://127.0.0.1:{port}").open()
        log = RedisTurnLog.from_spec(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}")
        await log.open()
        await write(await log.start(ADA, "trn_1", "thr_1"), conversation(10))
        await log.close()
    finally:
        service.kill()
