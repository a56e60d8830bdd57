"""What sharing running answers through Redis costs: CPU per token and turn, delay, idle readers.

    scripts/bench turnlog

Starts a Redis of its own. The writer is this process; readers elsewhere are a second one. CPU is each
process's own; the delay is taken on one clock, from append to the reader's hands.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from multiprocessing.connection import Connection

from parlour.turnlog import TURNLOGS
from parlour.turnlog.base import TextEntry, TurnLog, TurnWriter

OWNER = "local:bench"
ROUNDS = 3
CHATS = 16
TOKENS = 2000
PACED_CHATS = 100
FEW_CHATS = 10
PACED_SECONDS = 6.0
TOKEN_SECONDS = 0.02
TURNS = 30
IDLE_TURNS = 200
IDLE_SECONDS = 10.0


async def opened(spec: str) -> TurnLog:
    log = TURNLOGS.load(spec).from_spec(spec)
    await log.open()
    return log


async def burst(writer: TurnWriter) -> None:
    """As fast as it goes; the loop gets its turn after every twenty tokens."""
    for seq in range(1, TOKENS + 1):
        writer.append(TextEntry(seq, "msg_1", 0, "token "))
        if seq % 20 == 0:
            await asyncio.sleep(0)


async def paced(writer: TurnWriter) -> None:
    """Fifty tokens a second; each says when it was written."""
    began = time.monotonic()
    for seq in range(1, int(PACED_SECONDS / TOKEN_SECONDS) + 1):
        await asyncio.sleep(began + seq * TOKEN_SECONDS - time.monotonic())
        writer.append(TextEntry(seq, "msg_1", 0, f"{time.monotonic():.6f} "))


async def measure(
    spec: str,
    chats: int,
    write: Callable[[TurnWriter], Awaitable[None]],
    readers: Connection | None,
) -> tuple[float, list[float]]:
    """CPU seconds of the writing process, with one reader here for each turn; delays elsewhere."""
    log = await opened(spec)
    turns = [f"trn_{time.monotonic_ns()}_{number}" for number in range(chats)]
    writers = [await log.start(OWNER, turn, f"thr_{turn}") for turn in turns]
    here = [asyncio.create_task(drain(log, turn, [])) for turn in turns]
    if readers is not None:
        readers.send(turns)
        await asyncio.to_thread(readers.recv)
        await asyncio.sleep(0.5)
    began = time.process_time()
    await asyncio.gather(*(write(writer) for writer in writers))
    cpu = time.process_time() - began
    await asyncio.gather(*(writer.close() for writer in writers), *here)
    await log.close()
    delays: list[float] = await asyncio.to_thread(readers.recv) if readers is not None else []
    return cpu, delays


async def turns(spec: str) -> float:
    """CPU milliseconds of a turn of one token: the thread held, the log begun, read and ended."""
    log = await opened(spec)

    async def chat(number: int) -> None:
        for _ in range(TURNS):
            turn = f"trn_{number}_{time.monotonic_ns()}"
            async with log.hold(f"thr_{number}", 0):
                writer = await log.start(OWNER, turn, f"thr_{number}")
                writer.append(TextEntry(1, "msg_1", 0, "token"))
                await writer.close()
            await drain(log, turn, [])

    began = time.process_time()
    await asyncio.gather(*(chat(number) for number in range(CHATS)))
    cpu = time.process_time() - began
    await log.close()
    return cpu / TURNS / CHATS * 1e3


async def drain(log: TurnLog, turn: str, delays: list[float]) -> None:
    async for batch in log.read(OWNER, turn):
        now = time.monotonic()
        for entry in batch:
            if isinstance(entry, TextEntry) and entry.delta[:1].isdigit():
                delays += [now - float(written) for written in entry.delta.split()]


async def idle(spec: str, readers: Connection) -> tuple[float, float]:
    """CPU microseconds a second that an open, silent turn costs its writer, and a reader elsewhere."""
    log = await opened(spec)
    turns = [f"trn_{time.monotonic_ns()}_{number}" for number in range(IDLE_TURNS)]
    writers = [await log.start(OWNER, turn, f"thr_{turn}") for turn in turns]
    readers.send(turns)
    there = await asyncio.to_thread(readers.recv)
    began = time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    cpu = time.process_time() - began
    readers.send("cpu")
    there = await asyncio.to_thread(readers.recv) - there
    await asyncio.gather(*(writer.close() for writer in writers))
    await log.close()
    await asyncio.to_thread(readers.recv)
    return tuple(each / IDLE_TURNS / IDLE_SECONDS * 1e6 for each in (cpu, there))  # type: ignore[return-value]


def elsewhere(spec: str, orders: Connection) -> None:
    """The second process: reads the turns it is told, and tells the delays it saw."""

    async def serve() -> None:
        log = await opened(spec)
        while turns := await asyncio.to_thread(orders.recv):
            delays: list[float] = []
            reading = [asyncio.create_task(drain(log, turn, delays)) for turn in turns]
            await asyncio.sleep(0.5)
            orders.send(time.process_time())
            done = asyncio.gather(*reading)
            while not done.done():
                await asyncio.sleep(0.1)
                if orders.poll():
                    orders.recv()
                    orders.send(time.process_time())
            orders.send(delays)
        await log.close()

    asyncio.run(serve())


def report(spec: str, readers: Connection) -> None:
    burst_tokens = CHATS * TOKENS
    paced_tokens = PACED_CHATS * PACED_SECONDS / TOKEN_SECONDS
    for name, address, remote in (
        ("memory", "memory", None),
        ("redis, nobody reads elsewhere", spec, None),
        ("redis, each turn read elsewhere", spec, readers),
    ):
        bursts = [
            asyncio.run(measure(address, CHATS, burst, remote))[0] / burst_tokens * 1e6
            for _ in range(ROUNDS)
        ]
        cpu, delays = asyncio.run(measure(address, PACED_CHATS, paced, remote))
        line = f"{name:32} burst {statistics.median(bursts):5.2f} µs/token"
        line += f"   paced {cpu / paced_tokens * 1e6:5.1f} µs/token"
        if remote is None:
            line += f"   {asyncio.run(turns(address)):.2f} ms/turn"
        print(line)
        if remote is not None:
            _, few = asyncio.run(measure(address, FEW_CHATS, paced, remote))
            for chats, seen in ((FEW_CHATS, few), (PACED_CHATS, delays)):
                cuts = statistics.quantiles(seen, n=100)
                p50, p99 = cuts[49] * 1e3, cuts[98] * 1e3
                print(f"  {chats:3} chats, writer to reader: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    here, there = asyncio.run(idle(spec, readers))
    print(f"an idle turn: {here:.0f} µs/s where it is written, {there:.0f} µs/s where it is read")


def main() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    redis = subprocess.Popen(server, stdout=subprocess.DEVNULL)
    spec = f"redis://127.0.0.1:{port}"
    time.sleep(0.5)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=elsewhere, args=(spec, theirs), daemon=True)
    process.start()
    try:
        report(spec, ours)
    finally:
        process.kill()
        redis.kill()
        redis.wait()


if __name__ == "__main__":
    main()
