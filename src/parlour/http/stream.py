"""A turn's events on their way out: framed, merged, kept alive, and stopped when that is meant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from parlour.errors import TurnLogUnavailable, TurnNotFound
from parlour.protocol import encode
from parlour.turnlog.base import Entry, EventEntry, TextEntry

NO_BUFFERING: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}

_DELTA_HEAD = b'{"type":"thread.item.updated","item_id":'
_DELTA_UPDATE = b',"update":{"type":"assistant_message.content_part.text_delta","content_index":'

PORTION: Final = 64_000
"""Bytes or characters that are framed at a time; the next are framed when these have been taken."""

_BEHIND: Final = {"type": "error", "code": "custom", "allow_retry": False}


class Format:
    """How events are written: server-sent events, or a JSON line each."""

    def __init__(self, media_type: str, heartbeat: bytes, *, sse: bool) -> None:
        self.media_type = media_type
        self.heartbeat = heartbeat
        self._sse = sse

    def frame(self, turn_id: str, entries: Iterable[Entry]) -> bytes:
        """The entries' bytes; neighbouring text of one item and part becomes one event."""
        parts: list[bytes] = []
        for entry in _merged(entries):
            if isinstance(entry, EventEntry):
                data = entry.data
            else:
                index = b"%d" % entry.content_index
                tail = index + b',"delta":' + encode(entry.delta) + b"}}"
                data = _DELTA_HEAD + encode(entry.item_id) + _DELTA_UPDATE + tail
            if self._sse:
                parts.append(b"id: %b:%d\ndata: %b\n\n" % (turn_id.encode(), entry.seq, data))
            else:
                parts.append(data + b"\n")
        return b"".join(parts)


SSE: Final = Format("text/event-stream; charset=utf-8", b": \n\n", sse=True)
NDJSON: Final = Format("application/x-ndjson", b"\n", sse=False)


def accepted(accept: str) -> Format:
    """The format a client asks for with its Accept header."""
    return NDJSON if "application/x-ndjson" in accept else SSE


class EventStream(Response):
    """Reads a turn's log into the response body.

    A comment is sent after ``heartbeat`` seconds of silence. When the client goes away first,
    ``on_disconnect`` is called, and the turn itself is left alone. A server that shuts down cancels
    the response, or cuts it off by ``cut``, and that is nobody's wish to stop.
    """

    def __init__(
        self,
        turn_id: str,
        batches: AsyncIterator[list[Entry]],
        *,
        form: Format,
        heartbeat: float,
        headers: Mapping[str, str],
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
        cut: asyncio.Event | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = form.media_type
        self.background = None
        self.body = b""
        self.init_headers({**headers, **NO_BUFFERING})
        del self.headers["content-length"]
        self._turn_id = turn_id
        self._batches = batches
        self._form = form
        self._heartbeat = heartbeat
        self._on_disconnect = on_disconnect
        self._cut = cut
        self._last_sent = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        watching = asyncio.create_task(self._watch(receive, send))
        tasks: set[asyncio.Task[object]] = {writing, watching}
        if self._cut is not None:
            tasks.add(asyncio.create_task(self._cut.wait()))
        written = left = False
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            written, left = writing.done(), watching.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if written and isinstance(writing.exception(), TurnLogUnavailable):
            return  # cut off, not ended: the client comes back and reads on
        if written:
            writing.result()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif left and self._on_disconnect is not None:
            await self._on_disconnect()

    async def _write(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async for batch in self._batches:
                for portion in _portions(batch):
                    body = self._form.frame(self._turn_id, portion)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                    self._last_sent = clock()
        except TurnNotFound as error:
            behind = EventEntry(0, encode({**_BEHIND, "message": error.message}))
            body = self._form.frame(self._turn_id, [behind])
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _watch(self, receive: Receive, send: Send) -> None:
        """Returns when the client is gone; meanwhile breaks long silences."""
        clock = asyncio.get_running_loop().time
        self._last_sent = clock()
        while True:
            quiet = clock() - self._last_sent
            if quiet >= self._heartbeat:
                beat = self._form.heartbeat
                await send({"type": "http.response.body", "body": beat, "more_body": True})
                self._last_sent = clock()
                quiet = 0.0
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat - quiet):
                    while (await receive())["type"] != "http.disconnect":
                        pass
                return


def _portions(entries: list[Entry]) -> Iterable[list[Entry]]:
    """The same entries, so few at a time that many slow readers of a long answer cost little."""
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        portion.append(entry)
        size += len(entry.delta if isinstance(entry, TextEntry) else entry.data)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _merged(entries: Iterable[Entry]) -> Iterable[Entry]:
    text: list[str] = []
    last: TextEntry | None = None
    for entry in entries:
        same = (
            last is not None
            and isinstance(entry, TextEntry)
            and entry.item_id == last.item_id
            and entry.content_index == last.content_index
        )
        if last is not None and not same:
            yield TextEntry(last.seq, last.item_id, last.content_index, "".join(text))
            text, last = [], None
        if isinstance(entry, TextEntry):
            text.append(entry.delta)
            last = entry
        else:
            yield entry
    if last is not None:
        yield TextEntry(last.seq, last.item_id, last.content_index, "".join(text))
