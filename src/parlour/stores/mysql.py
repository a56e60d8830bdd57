"""The SQL store in a MySQL or MariaDB server, through asyncmy."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar, Final

from asyncmy.errors import MySQLError
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from parlour.errors import ConfigurationError, StoreUnavailable
from parlour.stores.address import Address, read_address
from parlour.stores.base import DEFAULTS, StoreOptions
from parlour.stores.server import Fault, ServerDatabase, first_line
from parlour.stores.sql import SqlStore

_PARAMETERS: Final = frozenset(
    {"ssl_mode", "sslmode", "ssl", "sslaccept", "ssl_ca", "ssl_cert", "ssl_key", "sslcert"}
    | {"sslkey", "sslrootcert", "unix_socket", "socket", "application_name"}
)

# Whatever the server's own default is: what does not fit is refused, not cut, and a backslash in a
# string means what the driver means by it.
_SQL_MODE: Final = "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"

# The default keeps what a transaction saw first, and locks gaps between rows.
_ISOLATION: Final = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

_LOCK: Final = "parlour.schema"
_LOCK_SECONDS: Final = 600

_ADDRESS_HINT: Final = "Check the address in DATABASE_URL, and that the database runs."
_PRIMARY_HINT: Final = "Point DATABASE_URL at the primary."
_LOGIN_HINT: Final = "Check user and password in DATABASE_URL."
_SPACE_HINT: Final = "Free some space on the database server."

_AWAY: Final = Fault("it cannot be reached", _ADDRESS_HINT, "later")
_BROKEN: Final = Fault("the connection to it broke", _ADDRESS_HINT, "later")
_BUSY: Final = Fault("transactions kept getting into each other's way", None, "soon")
_DENIED: Final = Fault("it does not let this user in", _LOGIN_HINT)
_FULL: Final = Fault("its disk is full", _SPACE_HINT)
_READ_ONLY: Final = Fault("it takes no writes, as a replica does", _PRIMARY_HINT, "later")
_CROWDED: Final = Fault(
    "it takes no more connections",
    "Lower PARLOUR_DATABASE_POOL_SIZE, or raise its max_connections.",
    "later",
)

_FAULTS: Final = {
    **dict.fromkeys((2002, 2003, 2005), _AWAY),
    **dict.fromkeys((1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055, 4031), _BROKEN),
    **dict.fromkeys((1205, 1213), _BUSY),
    **dict.fromkeys((1040, 1203, 1226), _CROWDED),
    **dict.fromkeys((1044, 1045, 1698), _DENIED),
    **dict.fromkeys((28, 1021, 1114), _FULL),
    **dict.fromkeys((1290, 1792, 1836), _READ_ONLY),
    1049: Fault("there is no such database", "Create it, or correct its name in DATABASE_URL."),
    1130: Fault("it lets nobody in from this machine", "Allow the user to connect from here."),
    1142: Fault("this user may not do that", "Grant the user its rights on the database."),
    1153: Fault("a message is too large for it", "Raise its max_allowed_packet."),
    1406: Fault("a key is too long", too_long=True),
    3159: Fault("it asks for TLS", "Add ?ssl-mode=REQUIRED to DATABASE_URL."),
}


class MysqlStore(SqlStore):
    """MySQL 8 or newer, MariaDB 10.6 or newer."""

    @classmethod
    def from_spec(cls, spec: str, options: StoreOptions = DEFAULTS) -> MysqlStore:
        """``mysql://user:password@host/database``; ``mariadb://`` is the same."""
        address, options = read_address(spec, options)
        return cls(MysqlDatabase(address, options))


class MysqlDatabase(ServerDatabase):
    """One transaction a unit of work, reads included: there is no cheaper way to end one."""

    trouble: ClassVar = (SQLAlchemyError, OSError, MySQLError)

    def __init__(self, address: Address, options: StoreOptions) -> None:
        super().__init__(address.place, options)
        address.require_known(_PARAMETERS)
        host, port = _host_and_port(address.hosts)
        self._url = URL.create(
            "mysql+asyncmy",
            username=address.user,
            password=address.password,
            host=host or "127.0.0.1",
            port=port,
            database=address.database,
        )
        self._arguments = _asyncmy_arguments(address)

    async def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """See ``ServerDatabase``."""
        engine = create_async_engine(
            self._url,
            connect_args=self._arguments
            | {
                "charset": "utf8mb4",
                "sql_mode": _SQL_MODE,
                "init_command": _ISOLATION,
                "connect_timeout": self.options.timeout,
            },
            **self.pool_arguments(),
        )
        return engine, engine

    @contextmanager
    def alone(self, connection: Connection) -> Iterator[None]:
        """See ``ServerDatabase``; a named lock belongs to the connection, not to a transaction."""
        if connection.scalar(select(func.get_lock(_LOCK, _LOCK_SECONDS))) != 1:
            raise StoreUnavailable(
                "Another process has been changing the database's schema for ten minutes.",
                hint="Wait until it has ended, or end it.",
            )
        try:
            yield
            # Before the lock goes: who waits for it would not see the revision yet.
            connection.exec_driver_sql("COMMIT")
        finally:
            connection.execute(select(func.release_lock(_LOCK)))

    def fault(self, error: BaseException) -> Fault:
        """See ``ServerDatabase``."""
        code = error.args[0] if isinstance(error, MySQLError) and error.args else None
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLError) or isinstance(error, ssl.SSLError):
            return Fault(
                "the encrypted connection to it failed",
                "If its certificate is its own, name it with ?ssl-ca=, or write "
                "?ssl-mode=REQUIRED to encrypt only; if it does not speak TLS, ?ssl-mode=DISABLED.",
            )
        if code in _FAULTS:
            return _FAULTS[code]
        if isinstance(error, TimeoutError):
            return Fault("it does not answer in time", _ADDRESS_HINT, "later")
        if isinstance(error, OSError):
            return _AWAY
        return Fault(first_line(error) if code is None else f"{error.args[-1]} ({code})")


def _host_and_port(hosts: str) -> tuple[str, int | None]:
    host, colon, port = hosts.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = hosts, ""
    if "," in hosts or (port and not port.isdigit()):
        raise ConfigurationError(
            "The database's URL does not name one host.", hint="Write host or host:port."
        )
    return host.strip("[]"), int(port) if port else None


def _asyncmy_arguments(address: Address) -> dict[str, object]:
    given = address.parameters
    arguments: dict[str, object] = {"program_name": given.get("application_name") or "parlour"}
    socket = given.get("unix_socket") or given.get("socket")
    if socket:
        arguments["unix_socket"] = socket
    context = _encryption(address)
    if context is not None:
        arguments["ssl"] = context
    return arguments


def _encryption(address: Address) -> ssl.SSLContext | None:
    """None for a plain connection: without a word about it, and unlike MySQL's own client.

    That one encrypts where it can, which a server in between undoes; here it is asked for or not.
    """
    given = {name: value.lower() for name, value in address.parameters.items()}
    mode = given.get("ssl_mode") or given.get("sslmode", "").replace("-", "_")
    files = {
        name: address.parameters.get(f"ssl_{name}") or address.parameters.get(other)
        for name, other in (("ca", "sslrootcert"), ("cert", "sslcert"), ("key", "sslkey"))
    }
    address.require_files("ssl_ca", "ssl_cert", "ssl_key", "sslrootcert", "sslcert", "sslkey")
    if not mode:
        mode = _mode_of_others(given, files["ca"] is not None)
    replace(address, parameters={"ssl_mode": mode}).choice("ssl_mode", tuple(_VERIFIES))
    if _VERIFIES[mode] is None:
        return None
    try:
        context = ssl.create_default_context(cafile=files["ca"])
        if files["cert"]:
            context.load_cert_chain(files["cert"], files["key"])
    except OSError as error:
        raise ConfigurationError(
            f"A certificate that the database's URL names cannot be read: {error.strerror}.",
            hint="Check ssl-ca, ssl-cert and ssl-key.",
        ) from error
    context.check_hostname = _VERIFIES[mode] == "host"
    context.verify_mode = ssl.CERT_NONE if _VERIFIES[mode] == "nothing" else ssl.CERT_REQUIRED
    return context


_VERIFIES: Final = {
    "disabled": None,
    "disable": None,
    "preferred": None,
    "prefer": None,
    "required": "nothing",
    "require": "nothing",
    "verify_ca": "certificate",
    "verify_identity": "host",
    "verify_full": "host",
}


def _mode_of_others(given: dict[str, str], has_ca: bool) -> str:
    """What other programs write: ssl=true, PlanetScale's JSON, Prisma's sslaccept."""
    if given.get("sslaccept") == "strict" or '"rejectunauthorized":true' in given.get("ssl", ""):
        return "verify_identity"
    if (
        given.get("ssl") in ("true", "1", "required")
        or "sslaccept" in given
        or "{" in given.get("ssl", "")
    ):
        return "required"
    return "verify_ca" if has_ca else "disabled"
