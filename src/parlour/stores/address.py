"""The URL of a database server, as users have it in ``DATABASE_URL``, taken apart."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from parlour.errors import ConfigurationError
from parlour.stores.base import StoreOptions

# What other programs keep in their URLs, and what changes nothing here.
_NOISE: Final = frozenset(
    {"serverversion", "charset", "encoding", "client_encoding", "collation", "use_unicode"}
    | {"reconnect", "pool_recycle", "pool_pre_ping"}
)
_POOL: Final = frozenset(
    {"connection_limit", "pool_size", "max_overflow", "pool_timeout", "connect_timeout"}
)

_HOST: Final = r"(\[[^\[\],@]+\]|[^:\[\],@]*)(:\d{1,5})?"
_LAST_PORT: Final = 65535
_HOSTS: Final = re.compile(f"{_HOST}(,{_HOST})*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, who asks, and what else the URL says; printed without the password."""

    hosts: str
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    parameters: dict[str, str] = field(default_factory=dict, repr=False)
    """By lower-case name with underscores."""

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"{self.database} at {self.hosts or 'this machine'}"

    def require_known(self, names: Collection[str]) -> None:
        """Raises ``ConfigurationError`` for a parameter that would silently do nothing."""
        for name in self.parameters:
            if name not in names:
                raise ConfigurationError(
                    f"The database's URL has a parameter that Parlour does not know: {name}.",
                    hint=f"Remove it. Known are: {', '.join(sorted({*names, *_POOL}))}.",
                )

    def choice(self, name: str, words: Collection[str]) -> str | None:
        """A parameter that must be one of some words; None when it is not given."""
        value = self.parameters.get(name)
        if value is not None and value not in words:
            raise ConfigurationError(
                f"{name}={value} in the database's URL means nothing.",
                hint=f"Choose one of: {', '.join(words)}.",
            )
        return value

    def require_files(self, *names: str) -> None:
        """Raises ``ConfigurationError`` for a parameter that names a file that is not there."""
        for name in names:
            path = self.parameters.get(name)
            if path and not Path(path).expanduser().is_file():
                raise ConfigurationError(
                    f"{name} in the database's URL names no file: {path}.",
                    hint="Give the whole path, as this server sees it.",
                )


def read_address(spec: str, options: StoreOptions) -> tuple[Address, StoreOptions]:
    """Takes ``scheme://user:password@host:port/database?name=value`` apart.

    What the URL says about the pool goes before the options. ``ConfigurationError`` never has the
    URL in it, for there is a password in that.
    """
    try:
        url = urlsplit(spec.strip())
        given = parse_qsl(url.query, keep_blank_values=True)
    except ValueError:
        raise _unreadable(spec) from None
    values = {name.lower().replace("-", "_"): value for name, value in given}
    login, _, hosts = url.netloc.rpartition("@")
    user, _, password = login.partition(":")
    database = unquote(url.path[1:]) or values.pop("dbname", "") or values.pop("database", "")
    hosts = unquote(hosts) or values.pop("host", "")
    # With an @ there, what stands before it is the rest of a password that has a / in it.
    misread = url.fragment or set(url.path[1:]) & set("/@")
    if misread or not database or not _are_hosts(hosts):
        raise _unreadable(spec)
    pool = {name: _number(name, values.pop(name)) for name in _POOL & values.keys()}
    address = Address(
        hosts=hosts,
        database=database,
        user=unquote(user) or values.pop("user", None),
        password=unquote(password) or values.pop("password", None),
        parameters={name: value for name, value in values.items() if name not in _NOISE},
    )
    return address, _with_pool(options, pool)


def _are_hosts(hosts: str) -> bool:
    if not _HOSTS.fullmatch(hosts):
        return False
    return all(int(port) <= _LAST_PORT for port in re.findall(r":(\d+)(?:,|$)", hosts))


def _unreadable(spec: str) -> ConfigurationError:
    scheme = spec.partition(":")[0]
    return ConfigurationError(
        "The database's URL cannot be read.",
        hint=f"Write {scheme}://user:password@host/database, with @ : / ? # % in the password as "
        "%40 %3A %2F %3F %23 %25.",
    )


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ConfigurationError(
            f"{name} in the database's URL is not a whole number.", hint="Write one, or remove it."
        )
    return int(value)


def _with_pool(options: StoreOptions, given: dict[str, int]) -> StoreOptions:
    size = given.get("connection_limit")
    if size:
        options = replace(options, pool_size=size, max_overflow=0)
    return replace(
        options,
        pool_size=given.get("pool_size") or options.pool_size,
        max_overflow=given.get("max_overflow", options.max_overflow),
        timeout=given.get("connect_timeout") or given.get("pool_timeout") or options.timeout,
    )
