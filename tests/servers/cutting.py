"""A TCP proxy whose connections a test cuts, as a network does: without a word, in mid-stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Cutting:
    """Stands before a server at ``url``; after ``cut()`` nothing gets through until ``mend()``."""

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._broken = False
        self._port = 0
        self._ready = threading.Event()
        self._done = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Aborts every connection and, from now on, every new one."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(5)

    def mend(self) -> None:
        """Lets new connections through again."""
        self._broken = False

    async def _cut(self) -> None:
        self._broken = True
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()
        await self._cut()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._broken:
            writer.transport.abort()
            return
        host, port = self._server.hostname, self._server.port
        there, back = await asyncio.open_connection(host, port)
        both = {writer, back}
        self._open |= both
        try:
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        assert self._ready.wait(10), "the proxy did not start"
        return thread

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)


@contextmanager
def cutting(server: str) -> Iterator[Cutting]:
    """A proxy before the server at this address."""
    proxy = Cutting(server)
    thread = proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()
