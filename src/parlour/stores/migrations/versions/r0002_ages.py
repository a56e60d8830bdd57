"""What is needed to find what is old: attachments get a time, and times get indexes."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Attachments that are there already count as made now."""
    moment = time.time_ns() // 1000
    with op.batch_alter_table("parlour_attachments") as table:
        table.add_column(
            sa.Column("created_at", sa.BigInteger, nullable=False, server_default=str(moment))
        )
    with op.batch_alter_table("parlour_attachments") as table:
        table.alter_column("created_at", existing_type=sa.BigInteger, server_default=None)
    op.create_index("parlour_attachments_by_age", "parlour_attachments", ["created_at"])
    op.create_index("parlour_turns_by_age", "parlour_turns", ["beat_at"])
    op.create_index("parlour_threads_by_age", "parlour_threads", ["updated_at"])


def downgrade() -> None:
    """Forgets the times."""
    op.drop_index("parlour_threads_by_age", "parlour_threads")
    op.drop_index("parlour_turns_by_age", "parlour_turns")
    op.drop_index("parlour_attachments_by_age", "parlour_attachments")
    with op.batch_alter_table("parlour_attachments") as table:
        table.drop_column("created_at")
