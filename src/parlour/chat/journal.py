"""Keeps a running turn's unfinished items on disk while they are written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

SECONDS = 0.25
CHARACTERS = 2048

log = logging.getLogger(__name__)


class Journal:
    """Calls ``write`` soon after something changed: within 250 ms, or at once after 2 KB.

    Writes never overlap, and never run per token. A write that fails is tried again in 250 ms.
    """

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | asyncio.Task[Exception | None] | None = None
        self._unwritten = 0
        self._closed = False

    def touch(self, characters: int) -> None:
        """Something a visitor may have seen has changed by so many characters."""
        self._unwritten += characters
        if self._running is not None or self._closed:
            return
        if self._unwritten >= CHARACTERS:
            self._start()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._start)

    async def write_now(self) -> None:
        """Writes without delay; raises what the write raises."""
        while self._running is not None:
            await asyncio.wait({self._running})
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unwritten = 0
        # A task, so that it is not cancelled with its caller: what comes next is written after it.
        self._running = writing = asyncio.create_task(self._write_alone())
        if error := await asyncio.shield(writing):
            raise error

    async def _write_alone(self) -> Exception | None:
        error = None
        try:
            await self._write()
        except Exception as failed:
            error = failed
        self._running = None
        if self._unwritten:
            self.touch(0)
        return error

    async def close(self) -> None:
        """No more writes; returns when the last one has ended."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is not None:
            await asyncio.wait({self._running})

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is None:
            self._running = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        self._unwritten = 0
        again = False
        try:
            await self._write()
        except Exception as error:
            log.warning("journal not written: %r", error)
            again = True
        self._running = None
        if self._unwritten or again:
            self.touch(0)
