"""How history comes back to a replica that was away."""

from __future__ import annotations

import asyncio

from parlour.errors import StoreUnavailable
from parlour.http.replica import Reading
from parlour.protocol import now
from parlour.stores.base import Thread
from parlour.stores.memory import MemoryStore


async def test_a_replica_is_tried_again_whatever_its_driver_raises() -> None:
    raised = [StoreUnavailable("Away."), ConnectionResetError()]

    class Odd(MemoryStore):
        async def open(self) -> None:
            if raised:
                raise raised.pop(0)

    replica = Odd()
    await replica.add_thread("guest:ada", Thread("thr_r", now()))
    history = Reading(MemoryStore(), replica, retry=0.01)
    await history.open()
    assert history._returning is not None
    await asyncio.wait_for(history._returning, 10)
    page = await history.read(lambda store: store.list_threads("guest:ada", limit=9))
    assert [thread.id for thread in page.data] == ["thr_r"]
    await history.close()
