"""Readers that are slow, and readers that vanish."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import suppress

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


async def test_a_reader_of_a_kilobyte_a_second_costs_little_and_loses_nothing(
    serving: Serving, arrive: Arriving
) -> None:  # 74
    server = serving()
    witness = await arrive(server.url)
    await witness.ask(server.url, Order("warm", words=2000, delay=0, padding=500))
    before = server.resident()
    order = Order("slow", words=5000, delay=0.0002, padding=990)
    seen = witness.expect(order)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(request(witness, order, resume=True))
        client.setblocking(False)
        got = b""
        began, most = time.monotonic(), 0
        while time.monotonic() < began + 8:
            got += await loop.sock_recv(client, 1000)
            most = max(most, server.resident())
            await asyncio.sleep(1)
        seen.thread = await _only_new(witness, server, seen)
        (_, answer) = await witness.items(server.url, seen.thread)
        assert answer["content"][0]["text"] == order.part(0), "it waited for its reader"
        assert len(got) < 20_000
        while not got.endswith(b"\r\n0\r\n\r\n"):
            more = await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 20)
            assert more, "the connection ended too early"
            got += more
            most = max(most, server.resident())
    assert most - before < 30 * MEGABYTE, f"{(most - before) / MEGABYTE:.1f} MB more"
    read_from(got, seen)
    assert "".join(seen.texts.popitem()[1]) == order.part(0)
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
    _, _, rest = got.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    for line in body.split(b"\n"):
        if line.startswith(b"data: "):
            seen.take(parse(line[6:]))


async def _only_new(witness: Witness, server: Server, seen: Seen) -> str:
    known = {each.thread for each in witness.seen if each is not seen}
    (new,) = [t["id"] for t in await witness.threads(server.url) if t["id"] not in known]
    return str(new)
