"""The history of the schema, one revision a file, run by Alembic inside the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from parlour.errors import StoreUnavailable

__all__ = ["upgrade"]


def upgrade(connection: Connection) -> None:
    """Brings the schema to the newest revision; nothing is committed here.

    ``StoreUnavailable`` for a schema whose revision is unknown.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailable(
            f"The database's schema cannot be brought up to date: {error}.",
            hint="If a newer Parlour made it, install that version or a later one.",
        ) from error
