"""Readers that are slow, and readers that vanish."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from parlour.protocol import encode, parse
from tests.faults.conftest import Arriving, Serving
from tests.faults.fleet import Server
from tests.faults.promises import hold
from tests.faults.witness import Seen, Witness
from tests.servers.client import message
from tests.servers.dictated import Order

MEGABYTE = 1_000_000
CLIENTS = 500
TCP_REPAIR = 19
"""A Linux socket that is closed in this mode tells the other side nothing, as after a power cut."""


def request(witness: Witness, order: Order, *, resume: bool) -> bytes:
    """The bytes of a question."""
    body = encode({"type": "threads.create", "params": {"input": message(order.text())}})
    lines = ["POST /chatkit HTTP/1.1", "host: parlour", f"authorization: Bearer {witness.token}"]
    lines += ["content-type: application/json", f"content-length: {len(body)}"]
    lines += ["parlour-resume: 1"] if resume else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def five_megabytes(name: str) -> Order:
    """An answer that comes faster than anybody reads."""
    return Order(name, words=5000, delay=0.0002, padding=990)


class Slow:
    """A client that reads a kilobyte a second, until it wants the rest."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    async def read_for(self, seconds: float) -> bytes:
        got, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            got += await asyncio.wait_for(self._loop.sock_recv(self._client, 1000), 20)
            await asyncio.sleep(min(1, seconds))
        return got

    async def rest(self) -> bytes:
        """Everything up to the end of a chunked response."""
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        got = [b""]
        while not got[-1].endswith(b"0\r\n\r\n"):
            got.append(await asyncio.wait_for(self._loop.sock_recv(self._client, 1 << 20), 20))
            assert got[-1], "the connection ended too early"
        return b"".join(got)


@contextmanager
def reading_slowly(server: Server, asked: bytes) -> Iterator[Slow]:
    """A client with hardly any buffer, which has just sent its request."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(asked)
        client.setblocking(False)
        yield Slow(client)


async def test_a_reader_of_a_kilobyte_a_second_costs_little_and_loses_nothing(
    serving: Serving, arrive: Arriving
) -> None:  # 74
    server = serving()
    witness = await arrive(server.url)
    # Until the log of ended answers is as full as it gets.
    for number in range(5):
        await witness.ask(server.url, five_megabytes(f"warm{number}"))
    before = server.resident()
    order = five_megabytes("slow")
    seen = witness.expect(order)
    with reading_slowly(server, request(witness, order, resume=True)) as slow:
        got = await slow.read_for(4)
        seen.thread = await _only_new(witness, server, seen)
        end = time.monotonic() + 20
        while len(items := await witness.items(server.url, seen.thread)) < 2:
            assert time.monotonic() < end, "it waits for its reader"
            got += await slow.read_for(1)
        assert items[1]["content"][0]["text"] == order.part(0)
        assert len(got) < 100_000
        most = server.resident()
        assert most - before < 30 * MEGABYTE, f"{(most - before) / MEGABYTE:.1f} MB more"
        got += await slow.rest()
    read_from(got, seen)
    (pieces,) = seen.texts.values()
    assert "".join(pieces) == order.part(0)
    await hold(witness, server.url)


async def test_many_slow_readers_of_one_long_answer_share_it(
    serving: Serving, arrive: Arriving
) -> None:
    server = serving()
    witness = await arrive(server.url)
    seen = await witness.ask(server.url, five_megabytes("long"))
    lines = [f"GET /chatkit/turns/{seen.turn}?after=0 HTTP/1.1", "host: parlour"]
    lines += [f"authorization: Bearer {witness.token}", "", ""]
    before = server.resident()
    with ExitStack() as readers:
        for _ in range(30):
            asked = "\r\n".join(lines).encode()
            slow = readers.enter_context(reading_slowly(server, asked))
            assert (await slow.read_for(0.1)).startswith(b"HTTP/1.1 200")
        most = server.resident()
        assert most - before < 60 * MEGABYTE, f"{(most - before) / MEGABYTE:.1f} MB more"
    await hold(witness, server.url)


async def test_five_hundred_clients_that_vanish_leave_nothing_behind(
    serving: Serving, arrive: Arriving
) -> None:
    server = serving()
    witness = await arrive(server.url)
    await asyncio.gather(*(witness.ask(server.url, Order(f"warm{n}", words=10)) for n in range(50)))
    await at_rest(server, None)
    files, memory = server.descriptors(), server.resident()
    gone = []
    for number in range(CLIENTS):
        order = Order(f"gone{number}", words=100, delay=0.05)
        witness.expect(order)
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(request(witness, order, resume=bool(number % 2)))
        gone.append(client)
        if len(gone) == 50:
            await asyncio.sleep(0.2)
            for each, vanished in enumerate(gone):
                vanish(vanished, silently=each % 3 == 0)
            gone.clear()
    await at_rest(server, files + 5)
    assert server.resident() - memory < 60 * MEGABYTE
    await hold(witness, server.url, ask_again=False)
    seen = await witness.ask(server.url, Order("after", words=3))
    assert seen.finished


def vanish(client: socket.socket, *, silently: bool) -> None:
    """Goes without a goodbye: with a reset, or with nothing at all where that is allowed."""
    if silently:
        with suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def at_rest(server: Server, files: int | None) -> None:
    """Returns when the server holds no more open files than this, and for a moment if None."""
    end = time.monotonic() + 60
    before = -1
    while True:
        now = server.descriptors()
        if now == before if files is None else now <= files:
            return
        assert time.monotonic() < end, f"{now} files are open"
        before = now
        await asyncio.sleep(1)


def read_from(got: bytes, seen: Seen) -> None:
    """Takes the events out of a chunked response."""
    at = got.index(b"\r\n\r\n") + 4
    pieces = []
    while at < len(got):
        start = got.index(b"\r\n", at) + 2
        end = start + int(got[at:start], 16)
        pieces.append(got[start:end])
        at = end + 2
    for line in b"".join(pieces).split(b"\n"):
        if line.startswith(b"data: "):
            seen.take(parse(line[6:]))


async def _only_new(witness: Witness, server: Server, seen: Seen) -> str:
    known = {each.thread for each in witness.seen if each is not seen}
    (new,) = [t["id"] for t in await witness.threads(server.url) if t["id"] not in known]
    return str(new)
