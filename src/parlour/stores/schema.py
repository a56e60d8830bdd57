"""The tables of the SQL store, as they are at ``HEAD``.

Their names begin with ``parlour_``, since ``DATABASE_URL`` is often the site's own database. Times
are whole microseconds since 1970 in UTC: exact, sortable, and the same in every database.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from parlour.stores.columns import KEY, PROSE, TEXT

HEAD: Final = "0002"
"""The newest revision in ``migrations/versions``; a database that has it needs no Alembic."""

REVISIONS: Final = ("0001", "0002")
"""Every revision, oldest first."""

LOST: Final = {
    "0001": "every conversation, with its messages, feedback and the records of its attachments",
    "0002": "the times at which attachments were made",
}
"""What each revision's ``downgrade`` destroys, for whoever is about to run it."""

VERSION_TABLE: Final = "parlour_schema"

LIVE: Final = ""
"""``retired_by`` of an item that no turn has retired; not NULL, because it is part of the key."""

metadata: Final = MetaData()

# Alembic's own table, described here so that a new database can be made without importing Alembic.
version: Final = Table(
    VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True)
)

threads: Final = Table(
    "parlour_threads",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("owner", KEY, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("title", PROSE),
    Column("status", TEXT, nullable=False),
    Column("allowed_image_domains", TEXT, nullable=False),
    Column("metadata", TEXT, nullable=False),
    Index("parlour_threads_by_owner", "owner", "created_at", "id"),
    Index("parlour_threads_by_age", "updated_at"),
)

# An item's id is unique in its thread only: agents on Chat Completions repeat theirs everywhere.
# What a turn has retired is looked for at every turn's end, so it is the key's second part.
items: Final = Table(
    "parlour_items",
    metadata,
    Column("thread_id", KEY, ForeignKey(threads.c.id), primary_key=True),
    Column("retired_by", KEY, primary_key=True),
    Column("id", KEY, primary_key=True),
    Column("owner", KEY, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", KEY, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("feedback", KEY),
    Column("data", TEXT, nullable=False),
    Index("parlour_items_by_thread", "thread_id", "seq", unique=True),
)

# No foreign key: a file is uploaded before the thread it will be part of exists.
attachments: Final = Table(
    "parlour_attachments",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("owner", KEY, nullable=False),
    Column("thread_id", KEY),
    Column("created_at", BigInteger, nullable=False),
    Column("data", TEXT, nullable=False),
    Index("parlour_attachments_by_thread", "owner", "thread_id"),
    Index("parlour_attachments_by_age", "created_at"),
)

# No foreign key here either: a turn begins before the thread it makes.
turns: Final = Table(
    "parlour_turns",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("owner", KEY, nullable=False),
    Column("thread_id", KEY, nullable=False),
    Column("server", KEY, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
    Column("key", KEY),
    Column("outcome", KEY, nullable=False),
    Column("pending", TEXT, nullable=False),
    UniqueConstraint("owner", "key", name="parlour_turns_by_key"),
    Index("parlour_turns_by_thread", "owner", "thread_id"),
    # The few that run, among all that ever did; MySQL knows only whole indexes.
    Index(
        "parlour_turns_running",
        "outcome",
        "server",
        sqlite_where=text("outcome = 'running'"),
        postgresql_where=text("outcome = 'running'"),
    ),
    Index("parlour_turns_by_age", "beat_at"),
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC time again, exactly."""
    return _EPOCH + micros * _MICROSECOND
