"""A thread's items as the messages that a page shows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from parlour.protocol import JsonObject, message_text, parse
from parlour.stores.base import Store, StoredItem, Thread

_SHOWN_OF_A_SOURCE: Final = ("type", "title", "description", "url", "filename", "attribution")


@dataclass(frozen=True, slots=True)
class Messages:
    """One page of a thread, oldest first; ``before`` asks for the page of older ones."""

    thread: Thread
    data: list[JsonObject]
    before: str | None

    def wire(self) -> JsonObject:
        """As it is sent."""
        body: JsonObject = {
            "thread": head(self.thread),
            "messages": self.data,
            "has_more": self.before is not None,
        }
        if self.before is not None:
            body["before"] = self.before
        return body


def head(thread: Thread) -> JsonObject:
    """A thread as history shows it."""
    wire = thread.wire()
    return {name: wire.get(name) for name in ("id", "title", "created_at", "status")}


async def messages(
    store: Store, owner: str, thread_id: str, *, limit: int, before: str | None
) -> Messages:
    """The newest messages, or those before a message; raises what ``Store.list_items`` raises."""
    thread = await store.load_thread(owner, thread_id)
    found: list[JsonObject] = []
    reading = _Collecting(found)
    cursor = before
    while len(found) <= limit:
        page = await store.list_items(owner, thread_id, limit=limit + 1, after=cursor)
        for item in page.data:
            reading.take(item)
        cursor = page.after
        if cursor is None:
            reading.end()
            break
    shown = found[:limit]
    older = shown[-1]["id"] if len(found) > limit else None
    return Messages(thread, shown[::-1], older)


class _Collecting:
    """Takes items from the newest to the oldest, and gives a mark to the answer it is about.

    A mark that follows no answer, because there was not a word of it, is a message of its own.
    """

    def __init__(self, found: list[JsonObject]) -> None:
        self._found = found
        self._mark: JsonObject | None = None

    def take(self, stored: StoredItem) -> None:
        item = parse(stored.data)
        if stored.type == "task" and (outcome := item.get("outcome")):
            self.end()
            self._mark = _message(item, "assistant", "") | {"outcome": outcome}
            return
        message = _MESSAGES.get(stored.type, _nothing)(item)
        if message is None:
            return
        if self._mark is not None and message["role"] == "assistant":
            message["outcome"], self._mark = self._mark["outcome"], None
        self.end()
        if stored.feedback is not None:
            message["feedback"] = stored.feedback
        self._found.append(message)

    def end(self) -> None:
        if self._mark is not None:
            self._found.append(self._mark)
            self._mark = None


def _message(item: JsonObject, role: str, text: str) -> JsonObject:
    return {"id": item["id"], "role": role, "text": text, "created_at": item.get("created_at")}


def _nothing(item: JsonObject) -> JsonObject | None:
    return None


def _question(item: JsonObject) -> JsonObject | None:
    message = _message(item, "user", message_text(item))
    if item.get("quoted_text"):
        message["quoted_text"] = item["quoted_text"]
    if item.get("attachments"):
        message["attachments"] = item["attachments"]
    return message


def _answer(item: JsonObject) -> JsonObject | None:
    message = _message(item, "assistant", message_text(item))
    if cited := list(_citations(item.get("content", ()))):
        message["citations"] = cited
    return message


def _citations(parts: Iterable[JsonObject]) -> Iterable[JsonObject]:
    start = 0
    for part in parts:
        for annotation in part.get("annotations") or ():
            source = annotation.get("source") or {}
            shown = {name: source[name] for name in _SHOWN_OF_A_SOURCE if source.get(name)}
            if annotation.get("index") is not None:
                shown["index"] = start + annotation["index"]
            yield shown
        start += len(str(part.get("text", "")))


def _widget(item: JsonObject) -> JsonObject | None:
    text = item.get("copy_text")
    return _message(item, "assistant", text) if text else None


def _image(item: JsonObject) -> JsonObject | None:
    image = item.get("image") or {}
    if not image.get("url"):
        return None
    return _message(item, "assistant", "") | {"image": image["url"]}


def _structured_input(item: JsonObject) -> JsonObject | None:
    """The questions that were asked, each with what was chosen or written."""
    lines = []
    for asked in item.get("inputs", ()):
        values = (asked.get("answer") or {}).get("values") or ()
        lines.append(" ".join([str(asked.get("question", "")), ", ".join(map(str, values))]))
    return _message(item, "assistant", "\n".join(line.strip() for line in lines))


_MESSAGES: Final[dict[str, Callable[[JsonObject], JsonObject | None]]] = {
    "user_message": _question,
    "assistant_message": _answer,
    "widget": _widget,
    "generated_image": _image,
    "structured_input": _structured_input,
}
"""What is left out is how an answer came about, not what was said: workflows, tasks, tool calls."""
