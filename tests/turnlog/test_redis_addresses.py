"""Which Redis the turn log connects to, and which it refuses."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from pathlib import Path

import pytest

from parlour.errors import ConfigurationError, ThreadBusy, TurnLogUnavailable
from parlour.protocol import new_id
from parlour.turnlog.contract_conversation import ADA, conversation, read_all, told, write
from parlour.turnlog.redis import RedisTurnLog
from tests.services.redis import Redis
from tests.services.running import free_port, program
from tests.turnlog.conftest import Open


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


async def take(log: RedisTurnLog) -> None:
    async with log.hold("thr_1", 0):
        pass


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
            with pytest.raises(ThreadBusy):
                await take(other)
            assert await other.running(ADA, "thr_1") == turn
            reader = asyncio.create_task(read_all(other, turn))
            await other.request_stop(ADA, turn)
            async with asyncio.timeout(10):
                await writer.wait_stop()
            await write(writer, entries, pause_every=9)
        assert told(await reader) == told(entries)
        await take(other)
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
