"""The protocol's events as JSON objects, made in one place."""

from __future__ import annotations

from parlour.answer.base import Notice, Progress
from parlour.errors import ModelFailed, ParlourError
from parlour.protocol import JsonObject, new_id, timestamp
from parlour.stores.base import Outcome, Thread

_MARKS: dict[Outcome, tuple[str, str]] = {
    "stopped": ("Stopped", "info"),
    "failed": ("The answer could not be finished", "info"),
    "interrupted": ("The answer was interrupted", "info"),
}


def thread_created(thread: Thread) -> JsonObject:
    return {"type": "thread.created", "thread": thread.wire()}


def thread_updated(thread: Thread) -> JsonObject:
    return {"type": "thread.updated", "thread": thread.wire()}


def item_added(item: JsonObject) -> JsonObject:
    return {"type": "thread.item.added", "item": item}


def item_updated(item_id: str, update: JsonObject) -> JsonObject:
    return {"type": "thread.item.updated", "item_id": item_id, "update": update}


def item_done(item: JsonObject) -> JsonObject:
    return {"type": "thread.item.done", "item": item}


def item_replaced(item: JsonObject) -> JsonObject:
    return {"type": "thread.item.replaced", "item": item}


def item_removed(item_id: str) -> JsonObject:
    return {"type": "thread.item.removed", "item_id": item_id}


def stream_options(*, allow_cancel: bool) -> JsonObject:
    return {"type": "stream_options", "stream_options": {"allow_cancel": allow_cancel}}


def notice(said: Notice) -> JsonObject:
    event: JsonObject = {"type": "notice", "level": said.level, "message": said.message}
    if said.title is not None:
        event["title"] = said.title
    return event


def progress(said: Progress) -> JsonObject:
    event: JsonObject = {"type": "progress_update", "text": said.text}
    if said.icon is not None:
        event["icon"] = said.icon
    return event


def failure(error: BaseException) -> JsonObject:
    """What a visitor is told: the words of our own errors, nothing of anybody else's."""
    if (isinstance(error, ParlourError) and error.status < 500) or isinstance(error, ModelFailed):
        retry = error.retryable if isinstance(error, ModelFailed) else False
        return {"type": "error", "code": "custom", "message": error.message, "allow_retry": retry}
    return {"type": "error", "code": "stream.error", "allow_retry": True}


def assistant_message(thread_id: str) -> JsonObject:
    return {
        "id": new_id("message"),
        "thread_id": thread_id,
        "created_at": timestamp(),
        "type": "assistant_message",
        "content": [],
    }


def user_message(thread_id: str, given: JsonObject, attachments: list[JsonObject]) -> JsonObject:
    """The item a valid ``UserMessageInput`` becomes; ``attachments`` are wire records."""
    item: JsonObject = {
        "id": new_id("message"),
        "thread_id": thread_id,
        "created_at": timestamp(),
        "type": "user_message",
        "content": given["content"],
        "attachments": attachments,
    }
    if given.get("quoted_text"):
        item["quoted_text"] = given["quoted_text"]
    item["inference_options"] = given["inference_options"]
    return item


def mark(thread_id: str, outcome: Outcome) -> JsonObject:
    """The visible end of a turn that did not finish, so that no part passes for the whole.

    A task, because every ChatKit client shows one; ``outcome`` lets our own element say it in the
    visitor's language and offer to try again.
    """
    title, icon = _MARKS[outcome]
    return {
        "id": new_id("task"),
        "thread_id": thread_id,
        "created_at": timestamp(),
        "type": "task",
        "task": {"type": "custom", "status_indicator": "none", "title": title, "icon": icon},
        "outcome": outcome,
    }
