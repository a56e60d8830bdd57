"""The network between the visitor and the server: cut, stalled, lossy, in either direction."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from parlour.protocol import encode
from tests.faults.conftest import Arriving, Serving
from tests.faults.fleet import Server
from tests.faults.promises import hold, settled
from tests.faults.witness import Seen, Witness
from tests.servers.client import message
from tests.servers.dictated import Order
from tests.services.cutter import Cutter, Way

SILENCE = 2.0
"""Seconds after which our visitor gives a connection up."""


@pytest.fixture
def server(serving: Serving) -> Server:
    return serving(heartbeat=0.5)


@pytest.fixture
def network(server: Server) -> Iterator[Cutter]:
    with Cutter(server.url).standing() as network:
        yield network


async def under_way(witness: Witness, url: str, order: Order) -> tuple[Seen, asyncio.Task[None]]:
    """An answer of which something has been read."""
    seen, asking = witness.begin(url, order)
    await seen.until(lambda seen: seen.length > 50)
    return seen, asking


def whole(seen: Seen) -> str:
    """The text of an answer of one message, as it was read over all connections."""
    (pieces,) = seen.texts.values()
    return "".join(pieces)


@pytest.mark.parametrize(
    ("fault", "way"),
    [("cut", None), ("stall", "down"), ("stall", "up"), ("stall", "both"), ("swallow", "both")],
)
async def test_an_answer_is_read_on_after_the_network_was_away(
    server: Server, network: Cutter, arrive: Arriving, fault: str, way: Way | None
) -> None:
    witness = await arrive(network.url, silence=SILENCE)
    order = Order("network", words=250)
    seen, asking = await under_way(witness, network.url, order)
    getattr(network, fault)(*([way] if way else []))
    struck = time.monotonic()
    async with asyncio.timeout(SILENCE + 20):
        await asking
    network.cut(refuse=False)
    network.mend()
    if not seen.ended:
        await witness.resume(network.url, seen)
    assert seen.finished, (seen.broken, seen.refused, seen.errors)
    assert whole(seen) == order.part(0), "every word once"
    await hold(witness, server.url, fault=struck)


async def test_a_stop_that_is_lost_on_the_way_leaves_a_whole_answer(
    server: Server, network: Cutter, arrive: Arriving
) -> None:
    witness = await arrive(network.url, silence=SILENCE)
    seen = witness.expect(Order("unstopped", words=150))
    asking = asyncio.create_task(witness.put(network.url, seen, resume=False))
    await seen.until(lambda seen: seen.length > 50)
    network.swallow("up")
    asking.cancel()
    await asyncio.wait({asking})
    assert await settled(witness, server.url) == []
    items = await witness.items(server.url, str(seen.thread))
    assert items[-1]["type"] == "assistant_message" or items[-1]["outcome"] == "stopped"
    await hold(witness, server.url)


async def test_a_question_of_which_half_arrived_is_no_question(
    server: Server, network: Cutter, arrive: Arriving
) -> None:
    witness = await arrive(server.url)
    body = encode({"type": "threads.create", "params": {"input": message("x" * 500)}})
    head = (
        f"POST /chatkit HTTP/1.1\r\nhost: parlour\r\nauthorization: Bearer {witness.token}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    port = int(network.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head.encode() + body[: len(body) // 2])
        await asyncio.to_thread(_got_through, network, len(head) + len(body) // 2)
        network.cut()
    assert await witness.threads(server.url) == []
    seen = await witness.ask(server.url, Order("after", words=3))
    assert seen.finished
    await hold(witness, server.url)


async def test_an_acknowledgement_that_was_lost_is_asked_for_again_with_the_same_key(
    server: Server, network: Cutter, arrive: Arriving
) -> None:
    witness = await arrive(server.url, silence=SILENCE)
    order = Order("twice", words=100)
    seen = witness.expect(order)
    network.swallow("down")
    await witness.put(network.url, seen, key="once")
    assert seen.broken
    assert not seen.done
    network.cut(refuse=False)
    network.mend()
    await witness.put(network.url, seen, key="once")
    assert seen.finished
    assert len(await witness.threads(server.url)) == 1
    await hold(witness, server.url)


def _got_through(network: Cutter, size: int) -> None:
    end = time.monotonic() + 10
    while network.passed("up") < size:
        assert time.monotonic() < end
        time.sleep(0.01)
