"""Alembic's entry: the connection comes from ``upgrade``, already inside a transaction."""

from __future__ import annotations

from alembic import context

from parlour.stores.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
