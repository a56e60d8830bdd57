"""Threads, items, attachments and turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

from parlour.stores.columns import KEY, PROSE, TEXT
from parlour.stores.migrations.steps import create_index

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    _threads_and_items()
    _attachments_and_turns()


def _threads_and_items() -> None:
    parts = context.config.attributes["partitions"]
    op.create_table(
        "parlour_threads",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("next_seq", sa.BigInteger, nullable=False),
        sa.Column("title", PROSE),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("allowed_image_domains", TEXT, nullable=False),
        sa.Column("metadata", TEXT, nullable=False),
        if_not_exists=True,
    )
    create_index("parlour_threads_by_owner", "parlour_threads", ["owner", "created_at", "id"])
    op.create_table(
        "parlour_items",
        sa.Column("thread_id", KEY, sa.ForeignKey("parlour_threads.id"), primary_key=True),
        sa.Column("retired_by", KEY, primary_key=True),
        sa.Column("id", KEY, primary_key=True),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", KEY, nullable=False),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("feedback", KEY),
        sa.Column("data", TEXT, nullable=False),
        postgresql_partition_by="HASH (thread_id)" if parts else None,
        if_not_exists=True,
    )
    for part in range(parts):
        op.execute(
            f"CREATE TABLE parlour_items_{part} PARTITION OF parlour_items "
            f"FOR VALUES WITH (MODULUS {parts}, REMAINDER {part})"
        )
    create_index("parlour_items_by_thread", "parlour_items", ["thread_id", "seq"], unique=True)


def _attachments_and_turns() -> None:
    op.create_table(
        "parlour_attachments",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("thread_id", KEY),
        sa.Column("data", TEXT, nullable=False),
        if_not_exists=True,
    )
    create_index("parlour_attachments_by_thread", "parlour_attachments", ["owner", "thread_id"])
    op.create_table(
        "parlour_turns",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("thread_id", KEY, nullable=False),
        sa.Column("server", KEY, nullable=False),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
        sa.Column("key", KEY),
        sa.Column("outcome", KEY, nullable=False),
        sa.Column("pending", TEXT, nullable=False),
        sa.UniqueConstraint("owner", "key", name="parlour_turns_by_key"),
        if_not_exists=True,
    )
    create_index("parlour_turns_by_thread", "parlour_turns", ["owner", "thread_id"])
    create_index(
        "parlour_turns_running", "parlour_turns", ["outcome", "server"], where="outcome = 'running'"
    )


def downgrade() -> None:
    """Takes the tables away, with everything in them."""
    for name in ("turns", "attachments", "items", "threads"):
        op.drop_table(f"parlour_{name}", if_exists=True)
