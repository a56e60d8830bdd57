"""The column types of the SQL store: text that every database gives back, and compares, exactly.

What a database does with text by itself differs: some fold case, ignore a trailing space, sort by
language, cut what is too long, or keep only half of Unicode. Revisions share these types, so what
one of them means for a database never changes once a Parlour with it was published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

from sqlalchemy import String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import LONGTEXT, VARBINARY
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

LONGEST_KEY: Final = 255
"""Most characters of a key; SQLite alone takes longer ones."""

# PostgreSQL has no NUL in text, but somebody's id may have one. Private use, so hardly ever met.
_ESCAPE, _ITSELF, _NUL = "\ue000", "\ue000\ue001", "\ue000\ue002"

_In = TypeVar("_In")
_Out = TypeVar("_Out")

# MySQL: TEXT ends at 64 KB, its character set is the server's, and it takes A for a.
_LONG: Final = LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")


class Prose(TypeDecorator[str]):
    """What people wrote."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """The database's own type."""
        return dialect.type_descriptor(_LONG if dialect.name == "mysql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[object], object] | None:
        """What is done with a value on its way in: nothing, mostly."""
        return _unless_none(_escaped) if dialect.name == "postgresql" else None

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[object], str | None] | None:
        """What is done with it on its way out."""
        return _unless_none(_unescaped) if dialect.name == "postgresql" else None


class Key(TypeDecorator[str]):
    """An id, an owner, or a word of ours."""

    impl = String(LONGEST_KEY)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[bytes]:
        """Bytes for MySQL: no collation that it shares with MariaDB tells all texts apart."""
        if dialect.name == "mysql":
            return dialect.type_descriptor(VARBINARY(4 * LONGEST_KEY))
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(LONGEST_KEY, collation=collation))

    def bind_processor(self, dialect: Dialect) -> Callable[[object], object] | None:
        """See ``Prose``."""
        if dialect.name == "mysql":
            return _unless_none(str.encode)
        return _unless_none(_escaped) if dialect.name == "postgresql" else None

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[object], str | None] | None:
        """See ``Prose``."""
        if dialect.name == "mysql":
            return _unless_none(bytes.decode)
        return _unless_none(_unescaped) if dialect.name == "postgresql" else None


def _unless_none(change: Callable[[_In], _Out]) -> Callable[[object], _Out | None]:
    return lambda value: None if value is None else change(cast("_In", value))


def _escaped(value: str) -> str:
    if "\0" not in value and _ESCAPE not in value:
        return value
    return value.replace(_ESCAPE, _ITSELF).replace("\0", _NUL)


def _unescaped(value: str) -> str:
    if _ESCAPE not in value:
        return value
    return value.replace(_NUL, "\0").replace(_ITSELF, _ESCAPE)


KEY: Final = Key()
PROSE: Final = Prose()
TEXT: Final = Text().with_variant(_LONG, "mysql")
"""JSON, in which there is no NUL."""
