"""Between our JSON and the official SDK's models, losing nothing either way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from chatkit.types import (
    Attachment,
    ThreadItem,
    ThreadMetadata,
    WidgetItem,
)
from chatkit.widgets import DynamicWidgetRoot
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from parlour.protocol import JsonObject, is_hidden, timestamp
from parlour.stores.base import Thread

_items: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)
_attachments: TypeAdapter[Attachment] = TypeAdapter(Attachment)

log = logging.getLogger(__name__)


def local(moment: datetime) -> datetime:
    """The same moment without a zone, in local time.

    The SDK makes all its times that way and subtracts stored ones from them, which Python refuses
    when only one of the two has a zone.
    """
    return moment.astimezone().replace(tzinfo=None)


def thread_model(thread: Thread) -> ThreadMetadata:
    """A thread as hosted code sees it; its own copy, to be changed at will."""
    return ThreadMetadata.model_validate(
        {
            "id": thread.id,
            "created_at": local(thread.created_at),
            "title": thread.title,
            "status": thread.status,
            "allowed_image_domains": thread.allowed_image_domains,
            "metadata": to_jsonable_python(thread.metadata),
        }
    )


def thread_fields(thread: ThreadMetadata) -> JsonObject:
    """What of a thread may change, as JSON values."""
    return {
        "title": thread.title,
        "status": thread.status.model_dump(mode="json", exclude_none=True),
        "allowed_image_domains": to_jsonable_python(thread.allowed_image_domains),
        "metadata": to_jsonable_python(thread.metadata),
    }


def changed_fields(before: JsonObject, now: JsonObject) -> JsonObject:
    """The fields of ``now`` that differ."""
    return {name: value for name, value in now.items() if before.get(name) != value}


def item_model(item: JsonObject) -> ThreadItem:
    """A stored item as hosted code sees it."""
    model = _items.validate_python(
        {**item, "created_at": local(datetime.fromisoformat(item["created_at"]))}
    )
    if isinstance(model, WidgetItem):
        raw = item["widget"]
        if not _holds(model.widget.model_dump(mode="json"), raw):
            # The strict classes drop the properties they do not know.
            model.widget = DynamicWidgetRoot.model_validate(raw)
    return model


def readable_item(item: JsonObject) -> ThreadItem | None:
    """As ``item_model``; None, and a line in the log, for an item that this SDK cannot read."""
    try:
        return item_model(item)
    except ValidationError as error:
        log.warning("item %s is not shown to the hosted server: %s", item.get("id"), error)
        return None


def item_json(model: BaseModel) -> JsonObject:
    """An item for the wire and the store, its time in UTC."""
    body = _wire(model)
    body["created_at"] = timestamp(cast(Any, model).created_at)
    return body


def event_json(event: BaseModel) -> JsonObject:
    """An event as the SDK itself serialises it, its times in UTC."""
    body = _wire(event)
    for name in ("item", "thread"):
        inner = getattr(event, name, None)
        if inner is not None:
            body[name]["created_at"] = timestamp(inner.created_at)
    if "thread" in body:
        thread = body["thread"]
        thread["metadata"] = {}
        thread["items"]["data"] = [each for each in thread["items"]["data"] if not is_hidden(each)]
    return body


def attachment_model(record: JsonObject) -> Attachment:
    """An attachment's record as hosted code sees it, metadata included."""
    return _attachments.validate_python(record)


def attachment_json(model: BaseModel, record: JsonObject | None = None) -> JsonObject:
    """An attachment's record for the store, metadata included, with what only ours says kept."""
    merged = {**(record or {}), **model.model_dump(mode="json", by_alias=True)}
    return {name: value for name, value in merged.items() if value is not None}


def _wire(model: BaseModel) -> JsonObject:
    return model.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        context={"exclude_metadata": True},
        warnings=False,
    )


def _holds(whole: object, part: object) -> bool:
    """Whether everything that ``part`` says is in ``whole`` too."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            name in whole and _holds(whole[name], value)
            for name, value in part.items()
            if value is not None
        )
    if isinstance(part, list):
        return (
            isinstance(whole, list)
            and len(whole) == len(part)
            and all(_holds(a, b) for a, b in zip(whole, part, strict=True))
        )
    return whole == part
