"""What history costs as it grows: turns in long threads, first pages, lists, in a full database.

    scripts/bench history [DATABASE_URL ...]

Fills a database with 1,000,000 items of 100,000 owners, among them threads of 10, 1,000 and 10,000
items and an owner of 10,000 threads, then times whole turns of one token (whose answerer reads the
newest 20 items, as a model would be shown them) and the requests that show history, in rounds that
take turns. No socket and no model: server time only. SQLite in a temporary folder, or any empty
database that is named; --items 100000 makes a smaller one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from rich.progress import track
from sqlalchemy import Connection, insert, text

from parlour.answer.base import Answerer, AnswerEvent, Question, Text
from parlour.app import Assembly, assemble
from parlour.chat.engine import Answered, Running
from parlour.context import Caller, RequestContext
from parlour.protocol import JsonObject, encode, now, timestamp
from parlour.settings import Settings
from parlour.stores import STORES
from parlour.stores.schema import items, threads, to_micros
from parlour.stores.sql import SqlStore

OWNERS = 100_000
LONG = (10, 1_000, 10_000)
LISTED = 10_000
ROUNDS = 60
BATCH = 5_000
CALLER = Caller("local:bench", "local")
CONTEXT = RequestContext(CALLER)
WORDS = "The parcel leaves our warehouse on the next working day and takes two to four days. " * 4


class OneToken(Answerer):
    """Reads what a model would be shown, and says one token."""

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        await question.history(20)
        yield Text("token ")


def thread_row(owner: str, name: str, count: int) -> JsonObject:
    moment = to_micros(now())
    empty = {"title": name, "status": '{"type":"active"}', "metadata": "{}"}
    times = {"created_at": moment, "updated_at": moment, "next_seq": count}
    return {"id": name, "owner": owner, "allowed_image_domains": "null", **empty, **times}


def item_row(owner: str, thread: str, seq: int) -> JsonObject:
    kind = "assistant_message" if seq % 2 else "user_message"
    part = {"type": "output_text" if seq % 2 else "input_text", "text": WORDS, "annotations": []}
    data: JsonObject = {"id": f"msg_{seq:032x}", "thread_id": thread, "created_at": timestamp()}
    data |= {"type": kind, "content": [part]}
    row = {"id": data["id"], "thread_id": thread, "retired_by": "", "owner": owner, "seq": seq}
    return row | {"type": kind, "hidden": False, "data": encode(data).decode()}


def plan(total: int) -> Iterator[tuple[str, str, int]]:
    """Owner, thread and number of items of every thread."""
    left = total
    for count in LONG:
        yield CALLER.owner, f"thr_long{count}", count
        left -= count
    for number in range(LISTED):
        yield "local:many", f"thr_many{number}", 1
        left -= 1
    for number in range(OWNERS):
        share = left // (OWNERS - number)
        left -= share
        yield f"guest:{number:032x}", f"thr_{number:032x}", share


async def fill(store: SqlStore, total: int) -> None:
    """Bulk inserts, a batch a transaction."""
    heads: list[JsonObject] = []
    bodies: list[JsonObject] = []

    async def flush() -> None:
        def work(connection: Connection) -> None:
            connection.execute(insert(threads), heads)
            if bodies:
                connection.execute(insert(items), bodies)

        await store._database.write(work)
        heads.clear()
        bodies.clear()

    for owner, thread, count in track(list(plan(total)), "Filling"):
        heads.append(thread_row(owner, thread, count))
        bodies.extend(item_row(owner, thread, seq + 1) for seq in range(count))
        if len(bodies) >= BATCH:
            await flush()
    await flush()
    await store._database.write(lambda c: c.execute(text("ANALYZE")) if _analyzes(c) else None)


def _analyzes(connection: Connection) -> bool:
    return connection.dialect.name in ("sqlite", "postgresql")


async def turn(parts: Assembly, thread: str | None) -> None:
    """One turn in a thread, or in a new one, read to its end."""
    question = {"content": [{"type": "input_text", "text": "How long does it take?"}]}
    params: JsonObject = {"input": question}
    kind = "threads.create"
    if thread is not None:
        kind, params = "threads.add_user_message", {**params, "thread_id": thread}
    started = await parts.engine.handle(encode({"type": kind, "params": params}), CONTEXT)
    assert isinstance(started, Running)
    async for _ in parts.engine.read(CALLER.owner, started.turn_id):
        pass


async def request(parts: Assembly, context: RequestContext, kind: str, **params: object) -> None:
    answered = await parts.engine.handle(encode({"type": kind, "params": params}), context)
    assert isinstance(answered, Answered)


def measures(parts: Assembly) -> dict[str, Callable[[], Awaitable[None]]]:
    """What is measured, by what it is called in the table."""
    many = RequestContext(Caller("local:many", "local"))
    return {
        "turn in a new thread": lambda: turn(parts, None),
        **{
            f"turn in a thread of {count:,} items": lambda count=count: turn(  # type: ignore[misc]
                parts, f"thr_long{count}"
            )
            for count in LONG
        },
        "first page of a thread of 10,000 items": lambda: request(
            parts, CONTEXT, "threads.get_by_id", thread_id="thr_long10000"
        ),
        "newest 20 items of that thread": lambda: request(
            parts, CONTEXT, "items.list", thread_id="thr_long10000"
        ),
        "list of an owner's 10,000 threads": lambda: request(parts, many, "threads.list"),
        "list of an owner's one thread": lambda: request(
            parts, RequestContext(Caller(f"guest:{7:032x}", "guest")), "threads.list"
        ),
    }


async def measure(url: str, home: Path, total: int) -> None:
    store = STORES.load(url).from_spec(url)
    assert isinstance(store, SqlStore), "This measures databases that speak SQL."
    await store.migrate()
    await store.open()
    try:
        began = time.monotonic()
        await fill(store, total)
        print(f"{total:,} items in {time.monotonic() - began:.0f} s")
    finally:
        await store.close()
    settings = Settings(home=home, database_url=url)
    parts = await assemble(settings, answerer=OneToken())
    wall: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    try:
        for round_number in range(ROUNDS + 5):
            for name, work in measures(parts).items():
                at, used = time.perf_counter(), time.process_time()
                await work()
                if round_number >= 5:
                    wall.setdefault(name, []).append((time.perf_counter() - at) * 1e3)
                    cpu.setdefault(name, []).append((time.process_time() - used) * 1e3)
    finally:
        await parts.close()
    report(wall, cpu)


def report(wall: dict[str, list[float]], cpu: dict[str, list[float]]) -> None:
    base = statistics.median(wall["turn in a new thread"])
    print(
        f"{'median of ' + str(ROUNDS) + ' rounds, ms':45} {'time':>7} {'our CPU':>8} {'ratio':>6}"
    )
    for name, times in wall.items():
        middle = statistics.median(times)
        ratio = f"{middle / base:6.2f}" if name.startswith("turn") else ""
        print(f"{name:45} {middle:7.2f} {statistics.median(cpu[name]):8.2f} {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*")
    parser.add_argument("--items", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for url in given.urls or [f"sqlite:///{folder}/bench.db"]:
            print(url.partition("://")[0])
            asyncio.run(measure(url, Path(folder), given.items))


if __name__ == "__main__":
    main()
