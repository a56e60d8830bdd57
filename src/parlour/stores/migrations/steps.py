"""Steps of a revision that may be taken twice.

MySQL undoes no CREATE, ALTER or DROP. A revision that was cut off there runs again from its
beginning, and finds some of its steps done.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def has_column(table: str, name: str) -> bool:
    """Whether a table has a column now."""
    return any(column["name"] == name for column in _now().get_columns(table))


def add_column(table: str, column: sa.Column[int]) -> None:
    """Adds a column that is not there, with its default for the rows that are."""
    if not has_column(table, column.name):
        with op.batch_alter_table(table) as batch:
            batch.add_column(column)


def drop_column(table: str, name: str) -> None:
    """Drops a column that is there."""
    if has_column(table, name):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(name)


def create_index(
    name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None
) -> None:
    """Makes an index that is not there, of some rows only; of all in MySQL, which knows no other."""
    if not _has_index(table, name):
        rows = sa.text(where) if where else None
        op.create_index(
            name, table, columns, unique=unique, sqlite_where=rows, postgresql_where=rows
        )


def drop_index(name: str, table: str) -> None:
    """Drops an index that is there."""
    if _has_index(table, name):
        op.drop_index(name, table)


def _has_index(table: str, name: str) -> bool:
    return any(index["name"] == name for index in _now().get_indexes(table))


def _now() -> sa.Inspector:
    """A new inspector, because an old one remembers what it has seen."""
    return sa.inspect(op.get_bind())
