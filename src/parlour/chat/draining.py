"""How a server that is told to stop lets its turns finish."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from parlour.chat.turn import STOP_GRACE, Turn
from parlour.errors import ShuttingDown

CLOSING: Final = STOP_GRACE + 1.0
"""Seconds in which interrupted turns store their text; afterwards their journal is what is left."""
_PAUSE: Final = 0.02


class Draining:
    """Refuses new turns, waits for the running ones, and interrupts those that take too long."""

    def __init__(self, turns: Mapping[str, Turn], tasks: Collection[asyncio.Task[None]]) -> None:
        self.begun = asyncio.Event()
        self._turns = turns
        self._tasks = tasks
        self._starting = 0
        self._until = math.inf
        self._waiting: asyncio.Task[None] | None = None

    def begin(self, grace: float) -> None:
        """Gives running turns ``grace`` seconds from now; once more, to give them less."""
        self.begun.set()
        self._until = min(self._until, asyncio.get_running_loop().time() + grace)
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait())

    async def end(self) -> None:
        """Returns when no turn runs; interrupts them now unless ``begin`` gave them time."""
        if self._waiting is None:
            self.begin(0)
        assert self._waiting is not None
        await self._waiting

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Around the start of a turn, which is then waited for; ``ShuttingDown`` if it is too late."""
        if self.begun.is_set():
            raise ShuttingDown("This server is shutting down.")
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    async def _wait(self) -> None:
        clock = asyncio.get_running_loop().time
        while (self._tasks or self._starting) and (late := clock() - self._until) < CLOSING:
            if late >= 0:
                for turn in list(self._turns.values()):
                    turn.end("interrupted")
            await asyncio.sleep(_PAUSE)
        for task in list(self._tasks):
            task.cancel()
