"""How the MongoDB store talks to its server: the client, patience, and errors that say something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pymongo
from bson.errors import BSONError
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.errors import ConfigurationError as BadUrl
from pymongo.read_preferences import ReadPreference

from parlour.errors import BadRequest, BodyTooLarge, ConfigurationError, StoreUnavailable
from parlour.protocol import JsonObject
from parlour.stores.base import StoreOptions

T = TypeVar("T")
Collection: TypeAlias = AsyncCollection[JsonObject]

DEFAULT_DATABASE: Final = "parlour"
_PROBE_SECONDS: Final = 3.0
_PAUSES: Final = (0.05, 0.1, 0.2, 0.5)
_TOO_LARGE: Final = frozenset({10334, 17419, 17420, 17280})
"""A document over the limit, refused by the server: inserted, updated, upserted, or its index key."""
_TRANSIENT: Final = frozenset({24, 112, 262, 11600, 11601, 11602, 16500})
"""Locks, conflicts, shutting down, too many requests: worth another try."""
_HINTS: Final = {
    18: "Check the user, the password and authSource in DATABASE_URL.",
    8000: "Check the user, the password and authSource in DATABASE_URL.",
    13: "Give the user the role readWrite on this database.",
}


@dataclass(frozen=True, slots=True)
class Collections:
    """Everything of ours in a database; its own collections stay untouched."""

    database: AsyncDatabase[JsonObject]

    @property
    def threads(self) -> Collection:
        return self.database["parlour_threads"]

    @property
    def items(self) -> Collection:
        return self.database["parlour_items"]

    @property
    def attachments(self) -> Collection:
        return self.database["parlour_attachments"]

    @property
    def turns(self) -> Collection:
        return self.database["parlour_turns"]

    @property
    def version(self) -> Collection:
        return self.database["parlour_schema"]


Work: TypeAlias = Callable[[Collections], Awaitable[T]]


class Connection:
    """A client and its pool; whatever goes wrong with the server is raised as ``StoreUnavailable``.

    Work that loses its connection is run again for as long as ``options.timeout``, so it has to be
    the same twice as once.
    """

    def __init__(self, url: str, options: StoreOptions) -> None:
        self._url = url
        self._options = options
        self._name = _database_name(url)
        self._client: AsyncMongoClient[JsonObject] | None = None
        self._closed = False
        # Writes whose caller was cancelled: they go on, and whatever is written next waits for them.
        self._abandoned: set[asyncio.Task[object]] = set()

    async def open(self) -> None:
        """Makes the client; nothing is sent yet."""
        self._closed = False
        if self._client is None:
            self._client = self._connect()

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._abandoned:
            await asyncio.wait(set(self._abandoned))
        self._closed = True
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def read(self, work: Work[T]) -> T:
        """Runs ``work``, which changes nothing."""
        return await self._persist(work)

    async def write(self, work: Work[T]) -> T:
        """Runs ``work`` to its end, even if the caller is cancelled."""
        if self._abandoned:
            await asyncio.wait(set(self._abandoned))
        task = asyncio.ensure_future(self._persist(work))
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            self._abandoned.add(task)
            task.add_done_callback(self._forget)
            raise
        return task.result()

    async def probe(self, work: Work[T]) -> T:
        """Runs ``work`` once, and not for long: whoever asks wants to know how it is now."""
        with pymongo.timeout(min(_PROBE_SECONDS, self._options.timeout)):
            return await self._persist(work, patience=0)

    async def once(self, work: Work[T]) -> T:
        """Runs ``work`` on a client of its own, before ``open`` or beside it."""
        if self._client is not None:
            return await self._persist(work)
        await self.open()
        try:
            return await self._persist(work)
        finally:
            await self.close()

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it any more

    async def _persist(self, work: Work[T], patience: float | None = None) -> T:
        if self._client is None:
            why = "The store is closed." if self._closed else "The store is not open."
            raise StoreUnavailable(why, hint="Start the server again.")
        collections = Collections(self._client[self._name])
        end = time.monotonic() + (self._options.timeout if patience is None else patience)
        attempt = 0
        while True:
            try:
                return await work(collections)
            except (PyMongoError, BSONError, UnicodeEncodeError) as error:
                if time.monotonic() > end or not _may_pass(error, attempt):
                    raise _refused(error) from error
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    def _connect(self) -> AsyncMongoClient[JsonObject]:
        options = self._options
        milliseconds = int(options.timeout * 1000)
        chosen: JsonObject = {
            "appname": "parlour",
            "maxPoolSize": options.pool_size + options.max_overflow,
            "maxIdleTimeMS": int(options.pool_recycle * 1000) if options.pool_recycle > 0 else None,
            "connectTimeoutMS": milliseconds,
            "serverSelectionTimeoutMS": milliseconds,
            "socketTimeoutMS": milliseconds,
            "waitQueueTimeoutMS": milliseconds,
            # Our own retries work on every server; the driver's, of writes, need a replica set.
            "retryWrites": False,
            "retryReads": False,
        }
        if not options.read_only:
            chosen |= {"w": "majority", "journal": True}
        # What the URL says counts.
        said = {name.lower() for name, _ in parse_qsl(urlsplit(self._url).query)}
        chosen = {name: value for name, value in chosen.items() if name.lower() not in said}
        if options.read_only and "readpreference" not in said:
            chosen["read_preference"] = ReadPreference.SECONDARY_PREFERRED
        try:
            return AsyncMongoClient(self._url, **chosen)
        except (BadUrl, ValueError, TypeError) as wrong:
            raise _bad_url(_reason(self._url, wrong)) from None


def _database_name(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _bad_url() from None
    # What follows such a sign is the rest of a password; the driver would warn of it aloud, or look
    # for the name somewhere else.
    astray = parts.path if "@" in parts.netloc else parts.path + parts.query
    if parts.fragment or "@" in astray:
        raise _bad_url()
    name = unquote(parts.path.lstrip("/"))
    if set(name) & set('/\\. "$\0') or len(name.encode()) > 63:
        raise ConfigurationError(
            f"{name!r} cannot be the name of a MongoDB database.",
            hint="Write mongodb://host:27017/name.",
        )
    return name or DEFAULT_DATABASE


def _reason(url: str, wrong: Exception) -> str:
    """The driver's sentence, unless it quotes the URL, and with it the password."""
    password = urlsplit(url).password
    reason = str(wrong)
    secrets = {"://", password, unquote(password)} if password else {"://"}
    return "" if any(each in reason for each in secrets) else reason


def _bad_url(reason: str = "") -> ConfigurationError:
    return ConfigurationError(
        "DATABASE_URL is not a URL that MongoDB's driver can read"
        + (f": {reason}" if reason else "."),
        hint="Write mongodb://user:password@host:27017/name, with @ : / ? # % [ in the password as "
        "%40 %3A %2F %3F %23 %25 %5B.",
    )


def _may_pass(error: Exception, attempt: int) -> bool:
    if isinstance(error, DuplicateKeyError):
        # Somebody was a moment faster: the next look finds what they wrote.
        return attempt < len(_PAUSES)
    if isinstance(error, OperationFailure) and error.code in _TRANSIENT:
        return True
    return isinstance(error, ConnectionFailure | WriteConcernError | BulkWriteError)


def _refused(error: Exception) -> Exception:
    """What the server, or the driver before it was sent, would not take."""
    if isinstance(error, DocumentTooLarge) or (
        isinstance(error, OperationFailure) and error.code in _TOO_LARGE
    ):
        return BodyTooLarge(
            "This is more than MongoDB keeps in one document.",
            hint="Send less than 16 MB at once.",
        )
    if isinstance(error, BSONError | UnicodeEncodeError):
        return BadRequest("An id is not a text that can be stored.", hint="Send another id.")
    return _unavailable(error)


def _unavailable(error: Exception) -> StoreUnavailable:
    if isinstance(error, InvalidOperation):
        return StoreUnavailable("The store is closed.", hint="Start the server again.")
    reason = str(error)
    if isinstance(error, OperationFailure):
        # Without what follows, which quotes the command and so what people wrote.
        reason = str((error.details or {}).get("errmsg") or type(error).__name__)
    if isinstance(error, DuplicateKeyError):
        reason = "a key is taken"
    if isinstance(error, ConnectionFailure):
        reason = reason.partition(" (configured timeouts")[0].partition(", Timeout:")[0]
    code = error.code if isinstance(error, OperationFailure) else None
    hint = _HINTS.get(code) if code is not None else None
    return StoreUnavailable(f"MongoDB cannot be used: {reason.rstrip('.')}.", hint=hint)
