"""The SQL store in a PostgreSQL server, through asyncpg, directly or behind a pooler."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import asyncpg
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from parlour.stores.address import Address, read_address
from parlour.stores.base import DEFAULTS, StoreOptions
from parlour.stores.server import Fault, ServerDatabase, first_line
from parlour.stores.sql import SqlStore

_SSLMODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# What asyncpg reads from a URL as libpq does.
_LIBPQ: Final = frozenset(
    {"port", "passfile", "service", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl"}
    | {"sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"}
    | {"target_session_attrs", "krbsrvname", "gsslib"}
)
_OURS: Final = frozenset(
    {"ssl", "channel_binding", "application_name", "options", "schema", "search_path", "pgbouncer"}
    | {"statement_cache_size", "prepared_statement_cache_size"}
)
# libpq's, of which asyncpg has no equivalent, and whose absence weakens nothing.
_WITHOUT_EFFECT: Final = frozenset(
    {"gssencmode", "sslsni", "keepalives", "keepalives_idle", "keepalives_interval"}
    | {"keepalives_count", "tcp_user_timeout", "uselibpqcompat"}
)

_LOCK: Final = 0x7061726C6F7572
"""The advisory lock for changes of the schema: "parlour" in bytes."""

_ADDRESS_HINT: Final = "Check the address in DATABASE_URL, and that the database runs."

_FAULTS: Final = {
    "28P01": Fault("it refuses the password", "Check user and password in DATABASE_URL."),
    "28000": Fault(
        "it does not let this user in",
        "Check the user in DATABASE_URL and the server's pg_hba.conf; if it asks for encryption, "
        "add ?sslmode=require.",
    ),
    "3D000": Fault("there is no such database", "Create it, or correct its name in DATABASE_URL."),
    "42501": Fault("this user may not do that", "Grant the user its rights on the schema."),
    "53100": Fault("its disk is full", "Free some space on the database server."),
    "53200": Fault("it is out of memory", "Give the database server more memory."),
    "53300": Fault(
        "it takes no more connections",
        "Lower PARLOUR_DATABASE_POOL_SIZE, raise its max_connections, or put PgBouncer before it.",
        "later",
    ),
    "25006": Fault(
        "it takes no writes, as a replica does", "Point DATABASE_URL at the primary.", "later"
    ),
    "22001": Fault("a key is too long", too_long=True),
    "54000": Fault("a key is too long for its index", too_long=True),
    "40001": Fault("transactions kept getting into each other's way", None, "soon"),
    "40P01": Fault("transactions kept getting into each other's way", None, "soon"),
    # Its schema was changed since a statement was prepared.
    "0A000": Fault("its schema keeps changing", None, "soon"),
    "57P01": Fault("it is shutting down", _ADDRESS_HINT, "later"),
    "57P02": Fault("it crashed", _ADDRESS_HINT, "later"),
    "57P03": Fault("it is starting up", "Wait until the database is ready.", "later"),
}

# PgBouncer answers nearly everything with one code.
_BOUNCED: Final = re.compile(
    r"server conn crashed|server closed|cannot connect|shutting down|login has been failing"
    r"|query_wait_timeout|client_login_timeout|too many|no more connections",
    re.IGNORECASE,
)
_OF_DRIVER: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
_NO_TLS: Final = Fault(
    "it does not speak TLS, which the URL asks for",
    "Turn TLS on in the server, or write ?sslmode=disable if the network between is yours.",
)


class PostgresqlStore(SqlStore):
    """PostgreSQL 12 or newer, and what speaks like it: Neon, Supabase, CockroachDB, PgBouncer."""

    @classmethod
    def from_spec(cls, spec: str, options: StoreOptions = DEFAULTS) -> PostgresqlStore:
        """``postgresql://user:password@host/database``, with libpq's parameters."""
        address, options = read_address(spec, options)
        return cls(PostgresqlDatabase(address, options))


class PostgresqlDatabase(ServerDatabase):
    """Statements are prepared once a connection, unless a pooler hands out another one each time."""

    trouble: ClassVar = (SQLAlchemyError, *_OF_DRIVER)

    def __init__(self, address: Address, options: StoreOptions) -> None:
        super().__init__(address.place, options)
        address.require_known(_LIBPQ | _OURS | _WITHOUT_EFFECT)
        self.partitions = options.partitions
        self._dsn, self._arguments = _asyncpg_arguments(address)
        self._pooled: bool | None = _says_pooled(address) or None

    async def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """See ``ServerDatabase``."""
        if self._pooled is None:
            self._pooled = await self._finds_pooler()
        # A pooler gives each transaction a server connection that others have used before: names of
        # prepared statements would collide there, or be unknown. The unnamed one lasts long enough.
        unprepared = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect_unprepared if self._pooled else self._connect,
            connect_args=unprepared if self._pooled else {},
            **self.pool_arguments(),
        )
        # A transaction around a single SELECT is two round trips; behind a pooler it keeps the
        # statement and its execution together.
        alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        return engine, engine if self._pooled else alone

    @contextmanager
    def alone(self, connection: Connection) -> Iterator[None]:
        """See ``ServerDatabase``."""
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        yield

    def fault(self, error: BaseException) -> Fault:
        """See ``ServerDatabase``."""
        if isinstance(error.__cause__, _OF_DRIVER):
            error = error.__cause__
        words = first_line(error)
        match error:
            case asyncpg.ClientConfigurationError() | FileNotFoundError() | PermissionError():
                return Fault(words, "See docs/databases.md for the URL's parameters.")
            case asyncpg.PostgresError():
                return _fault_of_server(error, words)
            case ssl.SSLCertVerificationError():
                return Fault(
                    f"its certificate is not trusted: {error.verify_message or words}",
                    "Name the certificate authority with ?sslrootcert=, or write sslmode=require "
                    "without channel_binding to encrypt only.",
                )
            case ConnectionError() if "SSL upgrade" in words:
                return _NO_TLS
            case TimeoutError():
                return Fault("it does not answer in time", _ADDRESS_HINT, "later")
            case asyncpg.InterfaceError() | asyncpg.InternalClientError():
                return Fault("the connection to it broke", _ADDRESS_HINT, "later")
            case OSError():
                return Fault("it cannot be reached", _ADDRESS_HINT, "later")
        return Fault(words)

    # asyncpg has no types, and SQLAlchemy passes on what it would pass to asyncpg.connect.
    async def _connect(self, **_: Any) -> Any:  # noqa: ANN401
        timeout = self.options.timeout
        return await asyncpg.connect(self._dsn, timeout=timeout, **self._arguments)

    async def _connect_unprepared(self, **_: Any) -> Any:  # noqa: ANN401
        timeout, arguments = self.options.timeout, self._arguments
        return await asyncpg.connect(
            self._dsn, timeout=timeout, statement_cache_size=0, **arguments
        )

    async def _finds_pooler(self) -> bool:
        """Whether another process than the one that greeted us runs our statements."""
        connection = await self._connect_unprepared()
        try:
            greeted: int = connection.get_server_pid()
            return bool(greeted != await connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            await connection.close(timeout=self.options.timeout)


def _asyncpg_arguments(address: Address) -> tuple[str, dict[str, object]]:
    """A URL with what asyncpg reads from one as libpq does, and the rest as arguments."""
    given = dict(address.parameters)
    encryption = given.pop("ssl", None)
    if encryption is not None:
        words = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
        given.setdefault("sslmode", words.get(encryption.lower(), encryption))
    address = replace(address, parameters=given)
    address.choice("sslmode", _SSLMODES)
    binding = address.choice("channel_binding", ("disable", "prefer", "require"))
    arguments: dict[str, object] = {"server_settings": _server_settings(given)}
    own_authority = given.get("sslrootcert", "system") != "system"
    if given.get("sslrootcert") == "system":
        del given["sslrootcert"]
        arguments["ssl"] = ssl.create_default_context()
    if binding == "require" and given.get("sslmode") != "disable":
        # asyncpg cannot bind the channel. What that keeps away, a server between us and ours, a
        # verified certificate keeps away as well.
        if own_authority:
            given["sslmode"] = "verify-full"
        else:
            arguments["ssl"] = ssl.create_default_context()
    replace(address, parameters=given).require_files("sslrootcert", "sslcert", "sslkey", "sslcrl")
    login = {"host": address.hosts, "user": address.user, "password": address.password}
    query = {name: value for name, value in given.items() if name in _LIBPQ}
    query |= {"dbname": address.database} | {k: v for k, v in login.items() if v}
    return f"postgresql://?{urlencode(query)}", arguments


def _server_settings(given: dict[str, str]) -> dict[str, str]:
    settings = {"application_name": given.get("application_name") or "parlour"}
    path = given.get("search_path") or given.get("schema")
    if path and path != "public":
        settings["search_path"] = path
    if "options" in given:
        settings["options"] = given["options"]
    return settings


def _says_pooled(address: Address) -> bool:
    """Whether the URL itself tells of a pooler, as Neon's host names and Prisma's parameter do."""
    given = address.parameters
    return (
        given.get("pgbouncer", "").lower() in ("true", "1")
        or given.get("statement_cache_size") == "0"
        or given.get("prepared_statement_cache_size") == "0"
        or "-pooler." in address.hosts
    )


def _fault_of_server(error: asyncpg.PostgresError, words: str) -> Fault:
    code: str = error.sqlstate or ""
    if code in _FAULTS:
        return _FAULTS[code]
    if code == "08P01":
        away = _BOUNCED.search(words)
        return Fault(words, _ADDRESS_HINT, "later" if away else "never")
    if code.startswith("08"):
        return Fault("the connection to it broke", _ADDRESS_HINT, "later")
    return Fault(words)
