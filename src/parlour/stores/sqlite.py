"""The SQL store in an SQLite file.

Work is a plain function on a SQLAlchemy connection and runs in a worker thread: one hop a
transaction. (Through an async driver every statement hops; measured, five times the CPU.)
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from parlour.errors import ConfigurationError, StoreUnavailable
from parlour.stores.base import DEFAULTS, Schema, StoreOptions
from parlour.stores.database import Database
from parlour.stores.revision import EMPTY, move_to
from parlour.stores.sql import SqlStore

T = TypeVar("T")

_BUSY_SECONDS: Final = 10.0
_READERS: Final = 4

_HINTS: Final = {
    "locked": "Another program holds {name} for too long; end it.",
    "readonly": "Let this user write to {name} and to its folder.",
    "unable to open": "Let this user write to {name} and to its folder.",
    "not a database": "Restore {name} from a backup, or move it away to start with an empty one.",
    "malformed": "Restore {name} from a backup, or move it away to start with an empty one.",
    "full": "Free some space on the disk of {name}.",
}


def sqlite_path(spec: str) -> Path:
    """The file that ``sqlite:///relative.db`` or ``sqlite:////absolute.db`` names."""
    try:
        url = make_url(spec)
    except ArgumentError:
        url = URL.create("sqlite")
    if url.host or url.query or not url.database or url.database == ":memory:":
        raise ConfigurationError(
            f"{spec!r} does not name a database file.",
            hint="Write sqlite:///chat.db, or sqlite:////var/lib/parlour/chat.db with four slashes "
            "for an absolute path. For a store that forgets, write memory.",
        )
    return Path(url.database)


class SqliteStore(SqlStore):
    """Brings its schema up to date by itself."""

    @classmethod
    def from_spec(cls, spec: str, options: StoreOptions = DEFAULTS) -> SqliteStore:
        """``sqlite:///relative.db`` or ``sqlite:////absolute.db``; opens nothing yet."""
        return cls(SqliteDatabase(sqlite_path(spec)))

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self._path = database.path

    async def schema(self) -> Schema:
        """See ``Store``; a file that is not there is not made by asking."""
        if not await asyncio.to_thread(self._path.exists):
            return EMPTY
        return await super().schema()


class SqliteDatabase(Database):
    """One file: one writer at a time, several readers beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = self._engine(1, query_only=False)
        # IMMEDIATE takes the write lock before anything is read: a transaction that reads first and
        # writes later would be refused, not made to wait, when another process wrote in between.
        event.listen(self._writer, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        # Kept by the write thread, which saves a fifth of a transaction's CPU over a pool.
        self._writing: Connection | None = None
        self._reader = self._engine(_READERS, query_only=True)
        self._write_thread = ThreadPoolExecutor(1, "parlour-write")
        self._read_threads = ThreadPoolExecutor(_READERS, "parlour-read")

    def _engine(self, size: int, *, query_only: bool) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            pool_size=size,
            max_overflow=0,
            # An exception must never carry what people wrote into a log.
            hide_parameters=True,
            isolation_level="AUTOCOMMIT" if query_only else None,
            connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
        )

        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            # FULL, not NORMAL: NORMAL survives kill -9, but forgets what it acknowledged when the
            # power fails. One more fsync a transaction is what keeping a promise costs.
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA query_only={int(query_only)}")

        event.listen(engine, "connect", prepare)
        return engine

    async def open(self) -> None:
        """Makes the file and its schema, or brings the schema up to date."""
        # Whoever starts the server is told where the file lies; visitors never are.
        await self._run(self._write_thread, self._open, str(self.path))

    async def close(self) -> None:
        """Waits for what is under way."""
        await asyncio.to_thread(self._close)

    async def check(self) -> None:
        """Returns if the file is where it was and takes writes."""
        await self._run(self._write_thread, self._check)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` beside the writer; each of its statements sees all that was acknowledged."""
        return await self._run(self._read_threads, lambda: self._query(work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in a transaction, after those asked for before; on disk when it returns.

        A caller that is cancelled leaves all of it or nothing.
        """
        return await self._run(self._write_thread, lambda: self._transact(work))

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``: a writer is alone in any case."""
        return await self._run(self._write_thread, lambda: self._change(work), str(self.path))

    async def _run(
        self, threads: ThreadPoolExecutor, work: Callable[[], T], name: str | None = None
    ) -> T:
        try:
            future = asyncio.get_running_loop().run_in_executor(threads, work)
        except RuntimeError as closed:
            raise StoreUnavailable(
                "The store is closed.", hint="Start the server again."
            ) from closed
        try:
            return await future
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise _unavailable(error, name or self.path.name) from error

    def _query(self, work: Callable[[Connection], T]) -> T:
        with self._reader.connect() as connection:
            return work(connection)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        if self._writing is None:
            self._writing = self._writer.connect()
        with self._writing.begin():
            return work(self._writing)

    def _change(self, work: Callable[[Connection], T]) -> T:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self._transact(work)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._use_wal()
        self._transact(move_to)

    def _check(self) -> None:
        # SQLite goes on writing to a file that was deleted, and nobody would ever read it.
        self.path.stat()
        self._transact(lambda connection: None)

    def _use_wal(self) -> None:
        """Turns the write-ahead log on, which stays on in the file.

        SQLite does not wait for a second process that does the same at the same moment.
        """
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            finally:
                connection.close()

    def _close(self) -> None:
        self._read_threads.shutdown()
        self._write_thread.shutdown()
        if self._writing is not None:
            self._writing.close()
        self._reader.dispose()
        self._writer.dispose()


def _unavailable(error: Exception, name: str) -> StoreUnavailable:
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = cause.strerror if isinstance(cause, OSError) else str(cause)
    hint = next((hint for word, hint in _HINTS.items() if word in str(cause)), None)
    return StoreUnavailable(
        f"The database {name} cannot be used: {reason}.", hint=hint and hint.format(name=name)
    )
