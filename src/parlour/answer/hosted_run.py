"""Somebody else's code at work: in a task and context of its own, and with all of its tasks ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from typing import Any, Final, Generic, TypeVar, cast

T = TypeVar("T")

_LIMIT: Final = 128
_GRACE: Final = 0.1
_PATIENCE: Final = 5.0

_tasks: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("parlour_turn_tasks", default=None)

_Task: Callable[..., asyncio.Task[Any]] = asyncio.Task

log = logging.getLogger(__name__)


class _TaskMaker:
    """Makes tasks as before, and notes those that are made in the course of a run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._make = cast("Callable[..., Any] | None", loop.get_task_factory())

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        **options: object,
    ) -> asyncio.Task[T]:
        if self._make is None:
            task: asyncio.Task[T] = _Task(coro, loop=loop, **options)
        else:
            task = self._make(loop, coro, **options)
        context = options.get("context")
        run = context.get(_tasks) if isinstance(context, Context) else _tasks.get()
        if run is not None and not task.done():
            run.add(task)
            task.add_done_callback(run.discard)
        return task


class Relay(Generic[T]):
    """What a piece of work pushes comes out in batches, and closing it ends all that it started.

    The agents SDK runs its model in a task that nobody ends when a stream is closed; so every task
    that is started in the course of the work, however deep, belongs to it. A task that must outlive
    it is started with ``create_task(..., context=contextvars.Context())``.
    """

    def __init__(self, work: Callable[[Relay[T]], Coroutine[Any, Any, None]]) -> None:
        self._batch: list[T] = []
        self._pushed = 0
        self._ready = asyncio.Event()
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        loop = asyncio.get_running_loop()
        if not isinstance(loop.get_task_factory(), _TaskMaker):
            loop.set_task_factory(_TaskMaker(loop))
        self._main = loop.create_task(self._run(work))
        self._main.add_done_callback(lambda _: self._ready.set())

    async def _run(self, work: Callable[[Relay[T]], Coroutine[Any, Any, None]]) -> None:
        # A task has a copy of its creator's context: this is seen by what it starts and no other.
        _tasks.set(self._tasks)
        await work(self)

    def push(self, value: T) -> None:
        """Hands over a value without waiting."""
        self._batch.append(value)
        self._pushed += 1
        self._ready.set()

    def last(self) -> T | None:
        """The newest value if it has not left yet; who adds to it calls ``grown``."""
        return self._batch[-1] if self._batch else None

    def grown(self) -> None:
        """The last value was added to instead of another being pushed."""
        self._pushed += 1

    @property
    def full(self) -> bool:
        """Time to wait for the reader."""
        return self._pushed >= _LIMIT

    async def drained(self) -> None:
        """Returns when the reader has dealt with everything pushed so far."""
        self._drained.clear()
        await self._drained.wait()

    async def take(self) -> list[T]:
        """The next batch, the one before it having been dealt with; empty when the work has ended."""
        if not self._batch:
            self._drained.set()
        while not self._batch and not self._main.done():
            self._ready.clear()
            await self._ready.wait()
        batch, self._batch, self._pushed = self._batch, [], 0
        return batch

    def check(self) -> None:
        """Raises what the ended work has raised."""
        if self._main.cancelled():
            raise RuntimeError("The work has cancelled itself.")
        self._main.result()

    async def close(self) -> None:
        """Ends the work and everything it has started, unless it has ended well by itself."""
        main = self._main
        if main.done() and not main.cancelled() and main.exception() is None:
            return
        try:
            await self._end()
        finally:
            for task in (main, *self._tasks):
                task.cancel()

    async def _end(self) -> None:
        self._main.cancel()
        await self._settle({self._main})
        # What is left may be about to finish: a commit under shield(), a closing generator.
        for attempt in range(5):
            await asyncio.sleep(0)
            if not self._tasks:
                return
            if attempt == 0:
                await asyncio.wait(set(self._tasks), timeout=_GRACE)
            left = set(self._tasks)
            for task in left:
                task.cancel()
            if left:
                await self._settle(left)

    async def _settle(self, tasks: set[asyncio.Task[Any]]) -> None:
        done, stuck = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.debug("while a turn was ending: %r", error)
        for task in stuck:
            log.warning("%r goes on although its turn has ended", task)
