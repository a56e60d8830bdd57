"""The MongoDB store's documents: how they are found, made and read.

Every filter names the owner, but for those that keep the whole store in order. Times are whole
microseconds since 1970 in UTC; JSON is text, as it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from parlour.errors import AttachmentNotFound, BadRequest, ItemNotFound, ThreadNotFound
from parlour.protocol import HIDDEN_TYPES, JsonObject, encode, now, parse
from parlour.stores.base import StoredItem, Thread, TurnRecord
from parlour.stores.mongodb_connection import Collections

LIVE: Final = ""
"""``retired_by`` of an item that no turn has retired; part of the key that an item's id is."""

THREAD: Final = {
    "created_at": 1,
    "title": 1,
    "status": 1,
    "allowed_image_domains": 1,
    "metadata": 1,
}
ITEM: Final = {"_id": 0, "id": 1, "type": 1, "data": 1, "feedback": 1}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def text(value: object) -> str:
    """Compact JSON."""
    return encode(value).decode()


def _checked(value: object) -> object:
    # An object here would be an operator, and find what it was not given.
    if not isinstance(value, str):
        raise BadRequest("An id is text.")
    return value


def own(owner: str, **names: str) -> JsonObject:
    """A filter for what an owner has under these names."""
    return {"owner": _checked(owner)} | {name: _checked(value) for name, value in names.items()}


def live_among(owner: str, thread_id: str, item_ids: Sequence[str]) -> JsonObject:
    """A filter for those of these items that no turn has retired."""
    return live(owner, thread_id) | {"id": {"$in": [_checked(each) for each in item_ids]}}


def live(owner: str, thread_id: str, **names: str) -> JsonObject:
    """A filter for items that no turn has retired."""
    return own(owner, thread_id=thread_id, retired_by=LIVE, **names)


# -- threads -------------------------------------------------------------------------------------


def thread_fields(fields: JsonObject) -> JsonObject:
    """What changes when a thread's fields do."""
    return {name: value if name == "title" else text(value) for name, value in fields.items()}


def thread_document(owner: str, thread: Thread) -> JsonObject:
    """A new thread without items."""
    fields = {
        "title": thread.title,
        "status": thread.status,
        "allowed_image_domains": thread.allowed_image_domains,
        "metadata": thread.metadata,
    }
    times = {"created_at": to_micros(thread.created_at), "updated_at": to_micros(now())}
    return own(owner, _id=thread.id) | thread_fields(fields) | times | {"next_seq": 0}


def to_thread(found: JsonObject) -> Thread:
    """The thread that a document holds."""
    images = cast("list[str] | None", parse(found["allowed_image_domains"]))
    made = _EPOCH + found["created_at"] * _MICROSECOND
    status, metadata = parse(found["status"]), parse(found["metadata"])
    return Thread(found["_id"], made, found["title"], status, images, metadata)


async def load_thread(mongo: Collections, owner: str, thread_id: str) -> Thread:
    """The owner's thread; ``ThreadNotFound`` without one."""
    found = await mongo.threads.find_one(own(owner, _id=thread_id), THREAD)
    if found is None:
        raise no_thread(thread_id)
    return to_thread(found)


def no_thread(thread_id: str) -> ThreadNotFound:
    return ThreadNotFound(f"There is no thread {thread_id}.")


# -- items and attachments -----------------------------------------------------------------------


def item_fields(item: JsonObject) -> JsonObject:
    """What changes when an item is replaced."""
    kind = item["type"]
    return {"type": _checked(kind), "hidden": kind in HIDDEN_TYPES, "data": text(item)}


def item_document(owner: str, thread_id: str, item: JsonObject, seq: int) -> JsonObject:
    """A new item at its place."""
    key = live(owner, thread_id, id=item["id"])
    return key | item_fields(item) | {"seq": seq, "feedback": None}


def to_item(found: JsonObject) -> StoredItem:
    """The item that a document holds."""
    return StoredItem(found["id"], found["type"], found["data"], found.get("feedback"))


def no_item(thread_id: str, item_id: str) -> ItemNotFound:
    return ItemNotFound(f"There is no item {item_id} in thread {thread_id}.")


def no_attachment(attachment_id: str) -> AttachmentNotFound:
    return AttachmentNotFound(f"There is no attachment {attachment_id}.")


# -- turns ---------------------------------------------------------------------------------------


def turn_key(turn_id: str, key: str | None) -> str:
    """What is unique among an owner's turns; a partial index, which not every server has, would
    do the same."""
    return f"turn:{turn_id}" if key is None else f"key:{key}"


def turn_document(turn: TurnRecord) -> JsonObject:
    """A turn that begins."""
    return own(
        turn.owner,
        _id=turn.id,
        key=turn_key(turn.id, turn.key),
        thread_id=turn.thread_id,
        server=turn.server,
        state="running",
        outcome="running",
        pending=text(turn.pending),
    ) | {"beat_at": to_micros(turn.beat_at)}


def to_turn(found: JsonObject) -> TurnRecord:
    """The turn that a document holds."""
    kind, _, key = found["key"].partition(":")
    return TurnRecord(
        found["_id"],
        found["owner"],
        found["thread_id"],
        found["server"],
        _EPOCH + found["beat_at"] * _MICROSECOND,
        key if kind == "key" else None,
        found["outcome"],
        cast("list[JsonObject]", parse(found["pending"])),
    )
