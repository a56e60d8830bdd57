"""A process that writes: ``python -m tests.stores.writing SPEC NAME COUNT``.

Prints the id of each item after the store has acknowledged it.
"""

from __future__ import annotations

import asyncio
import sys

from parlour.protocol import now
from parlour.stores.base import Thread
from parlour.stores.contract_turns import ADA, message
from parlour.stores.sqlite import SqliteStore


async def main(spec: str, name: str, count: int) -> None:
    store = SqliteStore.from_spec(spec)
    await store.open()
    await store.add_thread(ADA, Thread("thr_1", now()))
    for n in range(count):
        await store.add_item(ADA, "thr_1", message(f"{name}{n}", "x" * 500))
        sys.stdout.write(f"{name}{n}\n")
        sys.stdout.flush()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
