"""The smallest server: one function says what it streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from chatkit.server import ChatKitServer
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)

Context = dict[str, Any]
Respond = Callable[
    ["ScriptedServer", ThreadMetadata, UserMessageItem | None, Context],
    AsyncIterator[ThreadStreamEvent],
]


class ScriptedServer(ChatKitServer[Context]):
    """Streams what its function streams."""

    def __init__(self, script: Respond) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.script = script

    def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        return self.script(self, thread, input_user_message, context)


def message(thread: ThreadMetadata, item_id: str, text: str = "") -> AssistantMessageItem:
    content = [AssistantMessageContent(text=text)] if text else []
    return AssistantMessageItem(
        id=item_id, thread_id=thread.id, created_at=datetime.now(), content=content
    )


def delta(item_id: str, text: str) -> ThreadItemUpdatedEvent:
    return ThreadItemUpdatedEvent(
        item_id=item_id,
        update=AssistantMessageContentPartTextDelta(content_index=0, delta=text),
    )


async def spoken(
    thread: ThreadMetadata, item_id: str, *pieces: str
) -> AsyncIterator[ThreadStreamEvent]:
    """An assistant message, streamed as the SDK streams one."""
    yield ThreadItemAddedEvent(item=message(thread, item_id))
    yield ThreadItemUpdatedEvent(
        item_id=item_id,
        update=AssistantMessageContentPartAdded(
            content_index=0, content=AssistantMessageContent(text="")
        ),
    )
    for piece in pieces:
        yield delta(item_id, piece)
    yield ThreadItemDoneEvent(item=message(thread, item_id, "".join(pieces)))
