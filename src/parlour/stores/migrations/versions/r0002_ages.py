"""What is needed to find what is old: attachments get a time, and times get indexes."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from parlour.stores.migrations.steps import add_column, create_index, drop_column, drop_index

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Attachments that are there already count as made now."""
    moment = str(time.time_ns() // 1000)
    add_column(
        "parlour_attachments",
        sa.Column("created_at", sa.BigInteger, nullable=False, server_default=moment),
    )
    with op.batch_alter_table("parlour_attachments") as table:
        table.alter_column("created_at", existing_type=sa.BigInteger, server_default=None)
    create_index("parlour_attachments_by_age", "parlour_attachments", ["created_at"])
    create_index("parlour_turns_by_age", "parlour_turns", ["beat_at"])
    create_index("parlour_threads_by_age", "parlour_threads", ["updated_at"])


def downgrade() -> None:
    """Forgets the times."""
    drop_index("parlour_threads_by_age", "parlour_threads")
    drop_index("parlour_turns_by_age", "parlour_turns")
    drop_index("parlour_attachments_by_age", "parlour_attachments")
    drop_column("parlour_attachments", "created_at")
