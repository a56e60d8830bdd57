"""A database server behind the SQL store: its pool, its transactions, and what to do when it fails."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, Literal, TypeVar

from sqlalchemy import Connection, delete, event, literal, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from parlour.errors import BadRequest, NotFound, StoreUnavailable
from parlour.stores.base import StoreOptions
from parlour.stores.columns import LONGEST_KEY
from parlour.stores.database import Database
from parlour.stores.revision import require_current
from parlour.stores.schema import turns

T = TypeVar("T")

PATIENCE: Final = 4.0
"""Seconds for which work is tried again while the server is away.

Together with a beat it is shorter than a turn's lease: nobody takes over a turn whose own server
still tries to end it.
"""

_ANSWER_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What a database's error means, in words that any visitor may read."""

    reason: str
    hint: str | None = None
    again: Literal["never", "soon", "later"] = "never"
    """Soon when the database undid the transaction and asks for it again, later when it is away."""
    too_long: bool = False
    """Some key was longer than a column."""


def first_line(error: BaseException) -> str:
    """An error's own words, shortened to a line."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


class ServerDatabase(Database, ABC):
    """Work runs on a connection of a pool, each transaction in a task of its own.

    A caller that is cancelled therefore leaves all of it or nothing, and no connection in the
    middle of a statement. A server that is away for less than ``PATIENCE`` is not noticed.
    """

    trouble: ClassVar[tuple[type[Exception], ...]] = (SQLAlchemyError, OSError)
    """What drivers raise."""

    def __init__(self, place: str, options: StoreOptions) -> None:
        self.place = place
        self.options = options
        self._engines: tuple[AsyncEngine, AsyncEngine] | None = None
        self._running: set[asyncio.Task[object]] = set()

    @abstractmethod
    async def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """For writing, and for reading on the same pool; ``pool_arguments`` says which pool."""

    @abstractmethod
    def fault(self, error: BaseException) -> Fault:
        """What an error of the driver means."""

    @abstractmethod
    def alone(self, connection: Connection) -> AbstractContextManager[None]:
        """Keeps other processes from changing the schema, until the transaction has ended."""

    def pool_arguments(self) -> dict[str, object]:
        """How an engine is to be made."""
        options = self.options
        return {
            "pool_size": options.pool_size,
            "max_overflow": options.max_overflow,
            "pool_recycle": options.pool_recycle,
            "pool_timeout": options.timeout,
            # Few busy connections rather than many half idle ones.
            "pool_use_lifo": True,
            # Every transaction is ended here; ending it again costs MySQL a round trip.
            "pool_reset_on_return": None,
            # An exception must never carry what people wrote into a log.
            "hide_parameters": True,
        }

    async def open(self) -> None:
        """Connects, and looks at the schema."""
        self._engines = await self._first(self.engines)
        reader = self._engines[1]
        try:
            if self.options.pool_pre_ping:
                _try_idle_connections(reader)
            await self._first(lambda: self._attempt(reader, require_current))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Waits for what is under way."""
        engines, self._engines = self._engines, None
        if self._running:
            await asyncio.wait(self._running)
        if engines is not None:
            await engines[0].dispose()

    async def check(self) -> None:
        """Returns if the server answers and, unless it is a replica, takes writes."""
        if self.options.read_only:
            await self._run(_look, reading=True, patience=0)
        else:
            await self._run(_write_nothing, reading=False, patience=0)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self._run(work, reading=True, patience=PATIENCE)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self._run(work, reading=False, patience=PATIENCE)

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``; through an engine of its own, so that nothing stays open."""

        def locked(connection: Connection) -> T:
            with connection.begin(), self.alone(connection):
                return work(connection)

        async def change() -> T:
            engine, _ = await self.engines()
            try:
                async with engine.connect() as connection:
                    return await connection.run_sync(locked)
            finally:
                await engine.dispose()

        return await self._first(change)

    async def _first(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One attempt; whoever starts the server is told which database it is about."""
        try:
            return await attempt()
        except self.trouble as error:
            fault = self._fault(error)
            raise StoreUnavailable(
                f"The database {self.place} cannot be used: {fault.reason}.", hint=fault.hint
            ) from error

    # -- work ------------------------------------------------------------------------------------

    async def _run(self, work: Callable[[Connection], T], *, reading: bool, patience: float) -> T:
        if self._engines is None:
            raise StoreUnavailable("The store is closed.", hint="Start the server again.")
        effort = _Effort(time.monotonic() + patience)
        run = self._look_up if reading else self._persist
        task = asyncio.create_task(run(self._engines[reading], work, effort))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # What is under way is ended before the caller goes on, but not begun again.
            effort.until = 0
            await asyncio.wait([task])
            raise

    async def _look_up(
        self, engine: AsyncEngine, work: Callable[[Connection], T], effort: _Effort
    ) -> T:
        while True:
            try:
                return await self._attempt(engine, work)
            except self.trouble as error:
                await self._wait_after(error, effort)

    async def _persist(
        self, engine: AsyncEngine, work: Callable[[Connection], T], effort: _Effort
    ) -> T:
        """Runs ``work`` until it is committed.

        When a connection breaks during COMMIT nobody knows whether that happened, so ``work`` runs
        again. All of it may be done twice; but what was to be deleted or closed may be so already,
        and then the answer is that of the first time.
        """
        unsure: list[T] = []
        while True:
            done: list[T] = []
            try:
                result = await self._attempt(engine, partial(_commit, work=work, done=done))
                return unsure[0] if unsure and result is False else result
            except NotFound:
                if unsure:
                    return unsure[0]
                raise
            except self.trouble as error:
                fault = await self._wait_after(error, effort)
                if fault.again == "later":
                    unsure = unsure or done

    async def _attempt(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        async with asyncio.timeout(_ANSWER_SECONDS), engine.connect() as connection:
            try:
                return await connection.run_sync(work)
            except self.trouble:
                # Whatever state it is in, nobody meets it again.
                await connection.invalidate()
                raise

    async def _wait_after(self, error: Exception, effort: _Effort) -> Fault:
        """Until it is worth another attempt; raises when it is not."""
        fault = self._fault(error)
        if fault.too_long:
            raise BadRequest(
                "An id is too long.", hint=f"Use at most {LONGEST_KEY} characters."
            ) from error
        if fault.again == "never" or time.monotonic() >= effort.until:
            raise StoreUnavailable(
                f"The database cannot be used: {fault.reason}.", hint=fault.hint
            ) from error
        effort.attempts += 1
        pause = 0.01 if fault.again == "soon" else 0.05
        await asyncio.sleep(min(0.5, pause * 2**effort.attempts) * random.uniform(0.5, 1))
        return fault

    def _fault(self, error: BaseException) -> Fault:
        if isinstance(error, PoolTimeout):
            size = self.options.pool_size + self.options.max_overflow
            return Fault(
                f"all {size} connections were busy for {self.options.timeout:g} s",
                "Raise PARLOUR_DATABASE_POOL_SIZE if the database allows it, or look for what "
                "makes it slow.",
            )
        if isinstance(error, DBAPIError) and error.orig is not None:
            error = error.orig
        return self.fault(error)


@dataclass(slots=True)
class _Effort:
    until: float
    attempts: int = 0


def _commit(connection: Connection, work: Callable[[Connection], T], done: list[T]) -> T:
    with connection.begin():
        result = work(connection)
        done.append(result)
    return result


def _look(connection: Connection) -> None:
    connection.execute(select(literal(1)))


def _write_nothing(connection: Connection) -> None:
    connection.execute(delete(turns).where(turns.c.id == ""))


def _try_idle_connections(engine: AsyncEngine) -> None:
    """Before a connection is used that lay idle for long enough to have been cut.

    Before every use would cost PostgreSQL three round trips more; what breaks in the meantime is
    found by the work itself, which is then tried again.
    """
    pool, dialect = engine.sync_engine.pool, engine.dialect

    def lay_down(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since"] = time.monotonic()

    def take_up(connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - entry.info.get("idle_since", time.monotonic()) < _IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except Exception as error:
            raise DisconnectionError from error

    event.listen(pool, "checkin", lay_down)
    event.listen(pool, "checkout", take_up)
