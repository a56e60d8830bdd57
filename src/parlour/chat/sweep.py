"""Forgets, every hour, what nobody needs any more."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from datetime import timedelta
from typing import Final

from parlour.chat.attachments import Attachments
from parlour.protocol import now
from parlour.stores.base import Store

FIRST: Final = 60.0
EVERY: Final = 3600.0

log = logging.getLogger(__name__)


class Sweep:
    """A task of the app: a minute after the start, and every hour, it sweeps once.

    Two servers that sweep at once do each other no harm: each record is forgotten by one of them,
    and bytes that are gone already are no error.
    """

    def __init__(self, store: Store, attachments: Attachments, after: float) -> None:
        self._store = store
        self._attachments = attachments
        self._after = timedelta(seconds=after)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to sweep, in the background."""
        self._task = asyncio.create_task(self._keep_sweeping())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def once(self) -> int:
        """Forgets what is older than the setting says; how many attachments that were."""
        before = now() - self._after
        ids = await self._store.sweep(before)
        await self._attachments.discard(ids)
        await self._attachments.discard_late()
        await self._attachments.files.tidy(before)
        if ids:
            log.info("swept %d attachments that no message took", len(ids))
        return len(ids)

    async def _keep_sweeping(self) -> None:
        pause = FIRST
        while True:
            # Not at the same moment as every other server that was started with this one.
            await asyncio.sleep(pause * random.uniform(1, 1.1))
            pause = EVERY
            try:
                await self.once()
            except Exception as error:
                log.warning("cannot sweep now: %r", error)
