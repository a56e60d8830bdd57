"""The official ChatKit engine, with an in-memory store and answers that follow a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from chatkit.actions import Action
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store, StoreItemType
from chatkit.types import (
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
)

Json = dict[str, Any]
Script = Callable[["Play", ThreadMetadata], AsyncIterator[ThreadStreamEvent]]
Scene = Callable[["Play"], Awaitable[list[Json] | None]]


class Shelf(Store[None]):
    """The official store's interface over a dict, with ids that count instead of random ones."""

    def __init__(self) -> None:
        self.threads: dict[str, ThreadMetadata] = {}
        self.items: dict[str, ThreadItem] = {}
        self.attachments: dict[str, Attachment] = {}
        self._counts: dict[str, int] = {}

    def count(self, kind: str) -> str:
        """The next id of a kind: thr_1, msg_2."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}_{self._counts[kind]}"

    def generate_thread_id(self, context: None) -> str:
        return self.count("thr")

    def generate_item_id(
        self, item_type: StoreItemType, thread: ThreadMetadata, context: None
    ) -> str:
        return self.count({"message": "msg", "tool_call": "tc", "workflow": "wf"}[item_type])

    async def load_thread(self, thread_id: str, context: None) -> ThreadMetadata:
        return self.threads[thread_id].model_copy(deep=True)

    async def save_thread(self, thread: ThreadMetadata, context: None) -> None:
        # The engine hands over a Thread, items and all, and expects a ThreadMetadata back.
        fields = thread.model_dump(include=set(ThreadMetadata.model_fields))
        self.threads[thread.id] = ThreadMetadata.model_validate(fields)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: None
    ) -> Page[ThreadMetadata]:
        return Page(data=list(self.threads.values()))

    async def delete_thread(self, thread_id: str, context: None) -> None:
        del self.threads[thread_id]

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: None
    ) -> Page[ThreadItem]:
        items = [item.model_copy(deep=True) for item in self.items.values()]
        return Page(data=(items if order == "asc" else items[::-1])[:limit])

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: None) -> None:
        self.items[item.id] = item.model_copy(deep=True)

    async def save_item(self, thread_id: str, item: ThreadItem, context: None) -> None:
        self.items[item.id] = item.model_copy(deep=True)

    async def load_item(self, thread_id: str, item_id: str, context: None) -> ThreadItem:
        return self.items[item_id].model_copy(deep=True)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: None) -> None:
        self.items.pop(item_id, None)

    async def save_attachment(self, attachment: Attachment, context: None) -> None:
        self.attachments[attachment.id] = attachment

    async def load_attachment(self, attachment_id: str, context: None) -> Attachment:
        if attachment_id not in self.attachments:
            raise NotFoundError(attachment_id)
        return self.attachments[attachment_id]

    async def delete_attachment(self, attachment_id: str, context: None) -> None:
        self.attachments.pop(attachment_id, None)


class Stage(ChatKitServer[None]):
    """An official server that answers with whatever script the play has set."""

    play: Play

    def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: None
    ) -> AsyncIterator[ThreadStreamEvent]:
        return self.play.script(self.play, thread)

    def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: None,
    ) -> AsyncIterator[ThreadStreamEvent]:
        return self.play.script(self.play, thread)


class Play:
    """One conversation: requests go in, the events of their answers are kept."""

    script: Script

    def __init__(self) -> None:
        self.store = Shelf()
        self.events: list[Json] = []
        self._stage = Stage(self.store)
        self._stage.play = self

    def id(self, kind: str) -> str:
        """A fresh id with the protocol's prefix."""
        return self.store.count(kind)

    async def ask(self, text: str, script: Script, **extra: object) -> None:
        """A visitor's message, answered by the script; the first one makes the thread."""
        message = {
            "content": [{"type": "input_text", "text": text}],
            "attachments": [],
            "inference_options": {},
        } | extra
        if self.store.threads:
            await self.post("threads.add_user_message", script, input=message)
        else:
            await self.post("threads.create", script, input=message)

    async def post(self, kind: str, script: Script, **params: object) -> None:
        """Any streaming request on the play's thread."""
        self.script = script
        for thread_id in self.store.threads:
            params["thread_id"] = thread_id
        body = json.dumps({"type": kind, "params": params})
        result = await self._stage.process(body, None)
        assert isinstance(result, StreamingResult)
        async for chunk in result:
            self.events.append(json.loads(chunk.removeprefix(b"data: ")))

    async def items(self) -> list[Json]:
        """What the official engine gives for the thread now."""
        body = {
            "type": "threads.get_by_id",
            "params": {"thread_id": next(iter(self.store.threads))},
        }
        result = await self._stage.process(json.dumps(body), None)
        assert not isinstance(result, StreamingResult)
        items: list[Json] = json.loads(result.json)["items"]["data"]
        return items
