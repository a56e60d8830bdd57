"""What the store's calls cost on each database: how many a second, and our own CPU for each.

    scripts/bench stores [DATABASE_URL ...]

Sixteen callers at once, each in a thread of its own, three seconds a call. SQLite in a temporary
folder, or any empty databases that are named. What the database server itself uses is not in our
CPU; on one machine both share the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from parlour.protocol import JsonObject, new_id, now, timestamp
from parlour.stores import STORES
from parlour.stores.base import Store, StoreOptions, Thread, TurnRecord

CALLERS = 16
SECONDS = 3.0
OWNER = "guest:bench"
WORDS = "The parcel leaves our warehouse on the next working day and takes two to four days. " * 12

Call = Callable[[Store, str, str], Awaitable[object]]


def message(text: str = WORDS) -> JsonObject:
    part = {"type": "output_text", "text": text, "annotations": []}
    body: JsonObject = {"id": new_id("message"), "created_at": timestamp(), "content": [part]}
    return body | {"type": "assistant_message"}


async def add_item(store: Store, thread: str, turn: str) -> None:
    await store.add_item(OWNER, thread, message())


async def journal(store: Store, thread: str, turn: str) -> None:
    await store.journal(OWNER, turn, [message()])


async def whole_turn(store: Store, thread: str, turn: str) -> None:
    """What a short turn writes: its beginning, its question, its end with the answer."""
    record = TurnRecord(new_id("turn"), OWNER, thread, "bench", now(), new_id("turn"))
    await store.begin_turn(record)
    await store.add_item(OWNER, thread, message("How long does it take?"))
    await store.end_turn(OWNER, record.id, "finished", [message()])


async def newest(store: Store, thread: str, turn: str) -> None:
    await store.list_items(OWNER, thread, limit=20)


CALLS: dict[str, Call] = {
    "add_item (1 KB)": add_item,
    "journal (1 KB)": journal,
    "a turn's writes": whole_turn,
    "list_items (20)": newest,
}


async def timed(store: Store, call: Call, places: list[tuple[str, str]]) -> tuple[float, float]:
    """Calls a second, and our CPU in microseconds a call."""
    end = time.monotonic() + SECONDS

    async def caller(thread: str, turn: str) -> int:
        done = 0
        while time.monotonic() < end:
            await call(store, thread, turn)
            done += 1
        return done

    used, began = time.process_time(), time.monotonic()
    done = sum(await asyncio.gather(*(caller(*place) for place in places)))
    return done / (time.monotonic() - began), (time.process_time() - used) / done * 1e6


async def measure(url: str) -> None:
    store = STORES.load(url).from_spec(url, StoreOptions(pool_size=CALLERS))
    await store.migrate()
    await store.open()
    places = [(new_id("thread"), new_id("turn")) for _ in range(CALLERS)]
    for thread, turn in places:
        await store.add_thread(OWNER, Thread(thread, now()))
        await store.begin_turn(TurnRecord(turn, OWNER, thread, "bench", now()))
    try:
        print(f"{url.partition(':')[0]:30} {'a second':>9} {'our CPU, µs':>12}")
        for name, call in CALLS.items():
            rate, cpu = await timed(store, call, places)
            print(f"  {name:28} {rate:9,.0f} {cpu:12,.0f}")
    finally:
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for url in given.urls or [f"sqlite:///{Path(folder) / 'bench.db'}"]:
            asyncio.run(measure(url))


if __name__ == "__main__":
    main()
