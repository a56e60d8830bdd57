"""Keeps a running turn's unfinished items on disk while they are written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from parlour.errors import ParlourError

SECONDS = 0.25
CHARACTERS = 2048

log = logging.getLogger(__name__)


class Journal:
    """Calls ``write`` soon after something changed: within 250 ms, or at once after 2 KB.

    Writes never overlap, and never run per token. A write that fails is tried again with the next.
    """

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._unwritten = 0
        self._closed = False

    def touch(self, characters: int) -> None:
        """Something a visitor may have seen has changed by so many characters."""
        self._unwritten += characters
        if self._running is not None:
            return
        if self._unwritten >= CHARACTERS:
            self._start()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._start)

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
        if not self._closed and self._running is None:
            self._running = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        self._unwritten = 0
        try:
            await self._write()
        except ParlourError as error:
            log.warning("journal not written: %s", error.message)
        finally:
            self._running = None
        if self._unwritten and not self._closed:
            self.touch(0)
