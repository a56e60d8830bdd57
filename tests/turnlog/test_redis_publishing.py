"""What Redis hears of the end of a turn, and what is kept for a Redis that will not hear it."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref

import pytest

from parlour.protocol import new_id
from parlour.turnlog.base import EventEntry
from parlour.turnlog.contract_conversation import ADA, read_all
from parlour.turnlog.redis import RedisTurnLog
from parlour.turnlog.redis_publisher import Published
from tests.services.redis import Redis
from tests.turnlog.conftest import Open


async def test_an_end_is_told_though_the_reply_to_the_last_words_was_lost(shared: Open) -> None:
    log, other = await shared(), await shared()
    turn = new_id("turn")
    writer = await log.start(ADA, turn, "thr_1")
    assert isinstance(writer, Published)
    reader = asyncio.create_task(read_all(other, turn))
    await asyncio.sleep(0.2)
    writer.append(EventEntry(1, b"{}"))
    # Redis takes these words, and nobody here notes what it replies.
    log._link.send(*log._publisher._sending(writer).commands)
    began = time.monotonic()
    await writer.close()
    assert len(await reader) == 1
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("trouble", ["away", "full"])
async def test_an_ended_turn_is_not_held_for_ever_for_a_redis_that_does_not_take_it(
    own: Redis, trouble: str
) -> None:
    log = RedisTurnLog(own.url, keep_seconds=0.5)
    await log.open()
    if trouble == "away":
        await asyncio.to_thread(own.kill)
    else:
        await asyncio.to_thread(own.client, "CONFIG", "SET", "maxmemory", "1")
    writer = await log.start(ADA, new_id("turn"), "thr_1")
    held = weakref.ref(writer)
    writer.append(EventEntry(1, b"{}"))
    await writer.close()
    del writer
    async with asyncio.timeout(20):
        while held() is not None:
            await asyncio.sleep(0.2)
            gc.collect()
    await log.close()
