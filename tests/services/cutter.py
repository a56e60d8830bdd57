"""A TCP proxy between two programs that does what networks do: cut, stall, swallow, crawl."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Way = Literal["up", "down", "both"]
"""``up`` is from the client to the server."""

_PIECE = 65536


@dataclass
class Lane:
    """One direction of every connection: ``rate`` in bytes a second, None for as fast as can be."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    swallows: bool = False
    rate: float | None = None
    passed: int = 0


class Cutter:
    """Stands before ``server``, a URL; whoever speaks to ``url`` speaks to it.

    ``cut`` resets all connections and refuses new ones; ``stall`` holds bytes back in one direction,
    so that the sender's buffers fill; ``swallow`` takes them and loses them; ``crawl`` slows them
    down; ``mend`` ends all of this (what was swallowed stays lost).
    """

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._lanes = {"up": Lane(), "down": Lane()}
        self._refusing = False
        self._port = 0
        self._ready = threading.Event()
        self._done = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self._server.path}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._writers) // 2

    def passed(self, way: Literal["up", "down"]) -> int:
        """Bytes that got through in one direction."""
        return self._lanes[way].passed

    def cut(self, *, refuse: bool = True) -> None:
        self._call(self._cut, refuse)

    def stall(self, way: Way = "both") -> None:
        for lane in self._of(way):
            self._call(lane.open.clear)

    def swallow(self, way: Way = "both") -> None:
        for lane in self._of(way):
            lane.swallows = True

    def crawl(self, rate: float, way: Way = "both") -> None:
        for lane in self._of(way):
            lane.rate = rate

    def mend(self) -> None:
        self._call(self._mend)

    def _of(self, way: Way) -> list[Lane]:
        return [lane for name, lane in self._lanes.items() if way in (name, "both")]

    def _call(self, act: Callable[..., object], *arguments: object) -> None:
        """Does this in the proxy's own thread, and waits for it."""
        done = threading.Event()

        def do() -> None:
            act(*arguments)
            done.set()

        self._loop.call_soon_threadsafe(do)
        assert done.wait(10), "the proxy does not answer"

    def _cut(self, refuse: bool) -> None:
        self._refusing = refuse
        for writer in self._writers:
            writer.transport.abort()

    def _mend(self) -> None:
        self._refusing = False
        for lane in self._lanes.values():
            lane.open.set()
            lane.swallows, lane.rate = False, None

    async def _serve(self) -> None:
        self._mend()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()
        self._mend()
        self._cut(True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(self._server.hostname, self._server.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        lanes = self._lanes
        try:
            await asyncio.gather(
                _pour(reader, back, lanes["up"]), _pour(there, writer, lanes["down"])
            )
        except OSError:
            pass
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    @contextmanager
    def standing(self) -> Iterator[Cutter]:
        """Runs in a thread of its own meanwhile."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        assert self._ready.wait(10), "the proxy did not start"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._done.set)
            thread.join(10)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lane: Lane) -> None:
    while True:
        await lane.open.wait()
        size = _PIECE if lane.rate is None else max(1, min(_PIECE, int(lane.rate / 10)))
        data = await reader.read(size)
        await lane.open.wait()
        if not data:
            break
        if lane.swallows:
            continue
        lane.passed += len(data)
        writer.write(data)
        await writer.drain()
        if lane.rate is not None:
            await asyncio.sleep(len(data) / lane.rate)
    if writer.can_write_eof():
        writer.write_eof()
