"""A server that stands still for longer than others wait for it, and then goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from tests.faults.conftest import Arriving, Serving
from tests.faults.promises import hold
from tests.servers.dictated import Order

NEIGHBOUR = 25.0
"""Seconds until the other server has ended what the frozen one left; the lease and a busy machine."""


@pytest.mark.parametrize(
    "order",
    [Order("parts", words=40, parts=4), Order("part", words=150)],
    ids=["several-items", "one-item"],
)
async def test_a_server_that_was_taken_for_dead_adds_nothing_and_acknowledges_nothing(
    serving: Serving, arrive: Arriving, order: Order
) -> None:
    frozen, living = serving(), serving()
    witness = await arrive(frozen.url)
    seen, asking = witness.begin(frozen.url, order)
    await seen.until(lambda seen: seen.length > 100)
    assert seen.thread
    os.kill(frozen.pid, signal.SIGSTOP)
    struck = time.monotonic()
    while "interrupted" not in str(await witness.items(living.url, seen.thread)):
        assert time.monotonic() < struck + NEIGHBOUR
        await asyncio.sleep(0.2)
    after, answering = witness.begin(living.url, Order("after", words=100), seen.thread)
    await after.until(lambda after: after.length > 50)
    os.kill(frozen.pid, signal.SIGCONT)
    await asyncio.gather(asking, answering)
    assert after.finished
    assert not seen.finished
    await hold(witness, living.url, fault=struck)
    await hold(witness, frozen.url, fault=struck)
