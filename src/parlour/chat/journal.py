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

    Writes never overlap, and never run per token; what changes while one runs is written when it
    has ended, and 250 ms old. A write that fails is tried again in 250 ms.
    """

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[Exception | None] | None = None
        self._loop = asyncio.get_running_loop()
        self._unwritten = 0
        self._since: float | None = None  # when the first unwritten change came
        self._closed = False

    def touch(self, characters: int) -> None:
        """Something a visitor may have seen has changed by so many characters."""
        self._unwritten += characters
        if self._since is None:
            self._since = self._loop.time()
        if self._running is None and not self._closed:
            self._go_on()

    async def write_now(self) -> None:
        """Writes without delay; raises what the write raises."""
        while self._running is not None:
            await asyncio.wait({self._running})
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A task, so that it is not cancelled with its caller: what comes next is written after it.
        self._running = writing = asyncio.create_task(self._write_alone())
        if error := await asyncio.shield(writing):
            raise error

    async def close(self) -> None:
        """No more writes; returns when the last one has ended."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is not None:
            await asyncio.wait({self._running})

    def _go_on(self) -> None:
        """Writes what is unwritten when it is time to."""
        if self._unwritten >= CHARACTERS:
            self._start()
        elif self._timer is None and self._since is not None:
            self._timer = self._loop.call_at(self._since + SECONDS, self._start)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is None:
            self._running = asyncio.create_task(self._write_alone())

    async def _write_alone(self) -> Exception | None:
        self._unwritten, self._since = 0, None
        failed = None
        try:
            await self._write()
        except Exception as error:
            log.warning("journal not written: %r", error)
            failed, self._since = error, self._loop.time()
        self._running = None
        if self._since is not None and not self._closed:
            self._go_on()
        return failed
