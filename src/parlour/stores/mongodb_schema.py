"""The MongoDB store's indexes, and the document that says which revision of them a database has."""

from __future__ import annotations

from typing import Final

from pymongo import IndexModel

from parlour.errors import ConfigurationError, SchemaOutdated
from parlour.stores.base import Schema
from parlour.stores.mongodb_connection import Collections

HEAD: Final = "0001"
REVISIONS: Final = (HEAD,)
LOST: Final = {
    HEAD: "every conversation, with its messages, feedback and the records of its attachments"
}
_VERSION: Final = {"_id": "schema"}

# No partial, text or collated index, and none that spans arrays: every server of the protocol has
# these. Where a collection is sharded, thread_id leads the only unique one of the items.
THREADS: Final = (
    IndexModel([("owner", 1), ("created_at", 1), ("_id", 1)], name="by_owner"),
    IndexModel([("updated_at", 1)], name="by_age"),
    IndexModel([("gone", 1), ("gone_at", 1)], name="by_end", sparse=True),
)
ITEMS: Final = (
    IndexModel([("thread_id", 1), ("id", 1), ("retired_by", 1)], name="by_id", unique=True),
    IndexModel([("thread_id", 1), ("seq", 1)], name="by_thread"),
)
ATTACHMENTS: Final = (
    IndexModel([("owner", 1), ("thread_id", 1)], name="by_thread"),
    IndexModel([("thread_id", 1), ("created_at", 1)], name="by_age"),
)
TURNS: Final = (
    IndexModel([("owner", 1), ("key", 1)], name="by_key", unique=True),
    IndexModel([("owner", 1), ("thread_id", 1)], name="by_thread"),
    IndexModel([("state", 1), ("beat_at", 1)], name="by_state"),
)


async def schema_of(mongo: Collections) -> Schema:
    """What the database has; ``current`` is None when there is nothing of ours in it."""
    found = await mongo.version.find_one(_VERSION)
    return Schema(found["revision"] if found else None, HEAD, REVISIONS, LOST)


async def require_current(mongo: Collections) -> None:
    """Raises ``SchemaOutdated`` unless the database has the revision this Parlour needs."""
    schema = await schema_of(mongo)
    if schema.current is None:
        raise SchemaOutdated("The database has no collections of Parlour yet.")
    if schema.current not in REVISIONS:
        raise SchemaOutdated(
            f"The database has the schema {schema.current}, made by a newer Parlour; this one knows "
            f"{HEAD}.",
            hint="Install that version of Parlour or a later one.",
        )


async def move_to(mongo: Collections, revision: str | None = None) -> None:
    """Makes the indexes, or removes everything of ours; the same twice, or by two at once, as once."""
    if revision == "base":
        kept = (mongo.version, mongo.turns, mongo.attachments, mongo.items, mongo.threads)
        for collection in kept:
            await collection.drop()
        return
    if revision not in (None, *REVISIONS):
        raise ConfigurationError(
            f"There is no revision {revision!r} of the schema.",
            hint=f"Choose from: base, {', '.join(REVISIONS)}.",
        )
    current = (await schema_of(mongo)).current
    if current is not None and current not in REVISIONS:
        await require_current(mongo)
    await mongo.threads.create_indexes(list(THREADS))
    await mongo.items.create_indexes(list(ITEMS))
    await mongo.attachments.create_indexes(list(ATTACHMENTS))
    await mongo.turns.create_indexes(list(TURNS))
    await mongo.version.update_one(_VERSION, {"$set": {"revision": HEAD}}, upsert=True)
