"""Reading from a replica while there is one, and from the primary when it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from parlour.errors import NotFound, SchemaOutdated, StoreUnavailable
from parlour.stores.base import Store

T = TypeVar("T")

RETRY_SECONDS = 10.0
"""Between two attempts to reach a replica that is away."""

log = logging.getLogger(__name__)


class Reading:
    """Where history is read: the replica if it answers, else the primary, which is not ours.

    What a replica does not have yet is looked for in the primary: a copy that lags behind must not
    deny what its owner has just seen.
    """

    def __init__(
        self, primary: Store, replica: Store | None = None, *, retry: float = RETRY_SECONDS
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._retry = retry
        self._opened = False
        self._returning: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Opens the replica; one that is away is tried again later, one with an old schema refused."""
        if self._replica is None:
            return
        try:
            await self._replica.open()
        except SchemaOutdated as outdated:
            raise SchemaOutdated(
                f"The replica: {outdated.message}", hint=outdated.hint
            ) from outdated
        except StoreUnavailable as error:
            self._leave(error)
        else:
            self._opened = True

    async def close(self) -> None:
        """Lets go of the replica."""
        if self._returning is not None:
            self._returning.cancel()
            with suppress(asyncio.CancelledError):
                await self._returning
        if self._replica is not None:
            await self._replica.close()

    async def read(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Runs ``work``, which only reads, and may be run twice."""
        if self._replica is not None and self._returning is None:
            try:
                return await work(self._replica)
            except NotFound:
                pass
            except StoreUnavailable as error:
                self._leave(error)
        return await work(self._primary)

    def _leave(self, error: StoreUnavailable) -> None:
        if self._returning is None:
            log.warning("history is read from the primary, the replica is away: %s", error.message)
            self._returning = asyncio.create_task(self._return())

    async def _return(self) -> None:
        assert self._replica is not None
        while True:
            await asyncio.sleep(self._retry)
            try:
                if self._opened:
                    await self._replica.check()
                else:
                    await self._replica.open()
            except Exception:  # whatever a driver raises: nobody else would try again
                continue
            self._opened = True
            self._returning = None
            log.info("history is read from the replica again")
            return
