"""A relay between the MongoDB driver and its server that breaks at a chosen command."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

from bson import BSON

Moment = Literal["before", "after"]

_OP_MSG = 2013
_BODY = 21
"""Where the first document of an OP_MSG begins: header, flags, kind."""
_NOT_COUNTED = {"hello", "ismaster", "isMaster", "ping", "endSessions", "killCursors"}


class Relay:
    """``url`` leads through it. ``cut`` says at which command from now on it breaks, and how."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname, place.port
        self._path = place.path
        self._cut: tuple[int, Moment, bool] | None = None
        self._dead = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.commands: list[str] = []
        """The names of the commands since the last ``cut``."""

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        while self._tasks:
            self._break()
            await asyncio.wait(self._tasks, timeout=0.1)

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._path}"

    def cut(self, number: int, moment: Moment, *, forever: bool) -> None:
        """Breaks before the server gets the command, or after it has answered, unheard."""
        self._cut = (number, moment, forever)
        self.commands.clear()

    def mend(self) -> None:
        self._cut = None
        self._dead = False
        self.commands.clear()

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        with suppress(OSError, asyncio.IncompleteReadError):
            if not self._dead:
                upstream = await asyncio.open_connection(self._host, self._port)
                ends.add(upstream[1])
                self._writers |= ends
                while True:
                    await self._pass_on(reader, writer, *upstream)
        self._writers -= ends
        for end in ends:
            end.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        """One command and its answer."""
        asked = await _message(reader)
        breaks = self._breaks_at(asked)
        if breaks == "before":
            self._fail()
        server_writer.write(asked)
        answer = await _message(server_reader)
        if breaks == "after":
            self._fail()
        writer.write(answer)
        await writer.drain()

    def _breaks_at(self, message: bytes) -> Moment | None:
        name = _command(message)
        if name in _NOT_COUNTED:
            return None
        if self._dead:
            return "before"
        self.commands.append(name)
        if self._cut is None or len(self.commands) != self._cut[0] + 1:
            return None
        _, moment, self._dead = self._cut
        return moment

    def _fail(self) -> None:
        self._break()
        raise ConnectionAbortedError


async def _message(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(struct.unpack("<i", size)[0] - 4)


def _command(message: bytes) -> str:
    if struct.unpack_from("<i", message, 12)[0] != _OP_MSG:
        return "hello"
    size = struct.unpack_from("<i", message, _BODY)[0]
    return next(iter(BSON(message[_BODY : _BODY + size]).decode()))
