"""Which revision a database's schema has, and how it gets to another."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, insert, inspect, select

from parlour.errors import SchemaOutdated
from parlour.stores.base import Schema
from parlour.stores.schema import HEAD, LOST, REVISIONS, VERSION_TABLE, metadata, version

EMPTY: Final = Schema(None, HEAD, REVISIONS, LOST)
"""A database with nothing of ours in it."""


def schema_of(connection: Connection) -> Schema:
    """What the database has; ``current`` is None when there is nothing of ours in it."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return EMPTY
    return replace(EMPTY, current=connection.scalar(select(version.c.version_num)))


def require_current(connection: Connection) -> None:
    """Raises ``SchemaOutdated`` unless the database has the revision this Parlour needs."""
    schema = schema_of(connection)
    if schema.current is None:
        raise SchemaOutdated("The database has no tables of Parlour yet.")
    if schema.current not in schema.revisions:
        raise SchemaOutdated(
            f"The database has the schema {schema.current}, made by a newer Parlour; this one knows "
            f"{schema.needed}.",
            hint="Install that version of Parlour or a later one.",
        )
    if not schema.is_current:
        raise SchemaOutdated(
            f"The database has the schema {schema.current}; this Parlour needs {schema.needed}."
        )


def move_to(connection: Connection, revision: str | None = None, partitions: int = 0) -> None:
    """Makes the tables in a new database, or runs the revisions between here and there.

    The caller's transaction keeps other processes from doing the same.
    """
    if revision is None and not partitions and schema_of(connection).current is None:
        if connection.dialect.name == "mysql" and inspect(connection).has_table(VERSION_TABLE):
            # MySQL undoes no CREATE TABLE: whoever began here was killed before the end.
            metadata.drop_all(connection)
        version.create(connection, checkfirst=True)
        metadata.create_all(connection, checkfirst=False)
        connection.execute(insert(version).values(version_num=HEAD))
    elif schema_of(connection).current != (revision or HEAD):
        # Importing Alembic takes most of a second, which only a change is worth.
        from parlour.stores.migrations import migrate

        migrate(connection, revision, partitions)
