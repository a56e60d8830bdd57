"""What the SQL store needs of a database: connections, transactions, and the schema's revision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Database(ABC):
    """Work is a plain function on a SQLAlchemy connection, the same for every database.

    Whatever goes wrong with the database itself is raised as ``StoreUnavailable``; the errors of
    ``work`` pass through and undo its transaction.
    """

    partitions: int = 0
    """Into how many tables the items of a new database are split; 0 for one."""

    @abstractmethod
    async def open(self) -> None:
        """See ``Store``."""

    @abstractmethod
    async def close(self) -> None:
        """See ``Store``."""

    @abstractmethod
    async def check(self) -> None:
        """See ``Store``."""

    @abstractmethod
    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work``; each of its statements sees all that was acknowledged before."""

    @abstractmethod
    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in one transaction, which is on disk when this returns.

        A caller that is cancelled leaves all of it or nothing. ``work`` may be run again when the
        database asks for that, as after a deadlock.
        """

    @abstractmethod
    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """Runs a change or a look at the schema in one transaction, before or after ``open``.

        No other process does the same at the same time.
        """
