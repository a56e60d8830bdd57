"""``kill -9`` at random moments of an answer, on each database."""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.conftest import Arriving, Serving
from tests.faults.promises import hold
from tests.faults.witness import Witness
from tests.servers.dictated import Order

MOMENTS = 20
WORDS = (105, 105, 105, 35, 35)
"""How long the messages of each thread's answers are; all answers are as long as each other."""
LENGTH = 1.3
"""About how long an answer takes, in seconds, with storing the question and the end."""


async def test_nothing_is_lost_at_twenty_random_moments(
    serving: Serving, arrive: Arriving, chance: random.Random, database: str
) -> None:  # 72
    server = serving(database_url=database)
    witness = await arrive(server.url)
    threads: list[str | None] = [None] * len(WORDS)
    for moment in range(MOMENTS):
        seen = [
            witness.expect(Order(f"m{moment}t{number}", words, parts=105 // words), thread)
            for number, (thread, words) in enumerate(zip(threads, WORDS, strict=True))
        ]
        asking = [asyncio.create_task(witness.put(server.url, each)) for each in seen]
        slow = await slowest(witness, server.url, chance.uniform(0, LENGTH))
        # A journal's write is as slow as any other on a machine that does much besides.
        fault = server.kill() - 2 * slow
        await asyncio.gather(*asking)
        await asyncio.to_thread(server.start)
        await hold(witness, server.url, fault=fault, ask_again=moment == MOMENTS - 1)
        threads = [each.thread for each in seen]


async def slowest(witness: Witness, url: str, seconds: float) -> float:
    """Waits, and tells how long the slowest write of that time took."""
    took = [0.0]

    async def ask() -> None:
        while True:
            began = time.monotonic()
            took.append(0.0)
            try:
                async with witness.http.get(f"{url}/health") as response:
                    await response.read()
            finally:
                took[-1] = time.monotonic() - began
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(seconds)
    asking.cancel()
    await asyncio.wait({asking})
    return max(took)
