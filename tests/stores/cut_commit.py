"""A relay before a database server that loses the answer to a COMMIT."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


class Relay:
    """``url`` leads through it; after ``lose_commit`` one COMMIT arrives and its answer does not."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._armed = False
        self.lost = 0

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        place = self._place
        own = f"{place.username}@127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return place._replace(netloc=own).geturl()

    def lose_commit(self) -> None:
        self._armed = True

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._place.hostname, self._place.port
        server_reader, server_writer = await asyncio.open_connection(host, port)
        answers = asyncio.create_task(_pump(server_reader, writer))
        try:
            with suppress(OSError):
                while asked := await reader.read(65536):
                    if self._armed and b"COMMIT" in asked:
                        self._armed = False
                        answers.cancel()
                        await asyncio.wait([answers])
                        server_writer.write(asked)
                        await server_reader.read(65536)
                        self.lost += 1
                        return
                    server_writer.write(asked)
        finally:
            answers.cancel()
            for end in (writer, server_writer):
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while answered := await reader.read(65536):
            writer.write(answered)
    writer.transport.abort()
