"""The history of the schema, one revision a file, run by Alembic inside the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from parlour.errors import ConfigurationError, SchemaOutdated
from parlour.stores.schema import REVISIONS, VERSION_TABLE, version

__all__ = ["migrate"]


def migrate(connection: Connection, revision: str | None = None, partitions: int = 0) -> None:
    """Brings the schema to a revision, or to the newest; nothing is committed here.

    ``"base"`` takes every table away. ``ConfigurationError`` for a revision that does not exist,
    ``SchemaOutdated`` for a schema that a newer Parlour made.
    """
    if revision is not None and revision not in (*REVISIONS, "base"):
        raise ConfigurationError(
            f"There is no revision {revision!r}.",
            hint=f"Choose one of: base, {', '.join(REVISIONS)}.",
        )
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["partitions"] = partitions if connection.dialect.name == "postgresql" else 0
    try:
        _run(config, connection, revision)
    except CommandError as error:
        raise SchemaOutdated(
            f"The database's schema cannot be changed: {error}.",
            hint="If a newer Parlour made it, install that version or a later one.",
        ) from error


def _run(config: Config, connection: Connection, revision: str | None) -> None:
    current = _current(connection)
    target = revision or REVISIONS[-1]
    if target == "base" and current is None:
        return
    if current in REVISIONS and (
        target == "base" or REVISIONS.index(target) < REVISIONS.index(current)
    ):
        command.downgrade(config, target)
        if target == "base":
            version.drop(connection)
    else:
        # Alembic would give its key a name, of which MySQL complains.
        version.create(connection, checkfirst=True)
        command.upgrade(config, target)


def _current(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    return connection.scalar(version.select())
