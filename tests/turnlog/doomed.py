"""A server process that runs one turn until it is killed: ``python -m tests.turnlog.doomed``."""

from __future__ import annotations

import asyncio
import sys

from parlour.turnlog.contract_conversation import ADA, conversation
from parlour.turnlog.redis import RedisTurnLog

LENGTH = 300


async def run(url: str, turn_id: str, thread_id: str) -> None:
    log = RedisTurnLog.from_spec(url)
    await log.open()
    async with log.hold(thread_id, 10):
        writer = await log.start(ADA, turn_id, thread_id)
        for entry in conversation(LENGTH):
            writer.append(entry)
        waiting = asyncio.create_task(wait_behind(log, thread_id))
        await asyncio.sleep(1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await waiting


async def wait_behind(log: RedisTurnLog, thread_id: str) -> None:
    async with log.hold(thread_id, 1000):
        pass


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:4]))
