"""A server that streams a widget, and changes it when its buttons are pressed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from chatkit.actions import Action
from chatkit.server import ChatKitServer, stream_widget
from chatkit.types import (
    SyncCustomActionResponse,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
    WidgetRootUpdated,
)
from chatkit.widgets import DynamicWidgetRoot, WidgetRoot


def card(text: str, *, streaming: bool = False, pressed: int = 0) -> DynamicWidgetRoot:
    """A card as a ``.widget`` file makes one; ``border`` and ``glow`` are not in the strict classes."""
    return DynamicWidgetRoot.model_validate(
        {
            "type": "Card",
            "border": {"size": 2, "color": "strong"},
            "children": [
                {"type": "Markdown", "id": "body", "value": text, "streaming": streaming},
                {
                    "type": "Button",
                    "label": f"Pressed {pressed} times",
                    "glow": "soft",
                    "onClickAction": {"type": "press", "payload": {"pressed": pressed}},
                },
            ],
        }
    )


class WidgetServer(ChatKitServer[dict[str, Any]]):
    """Counts how often a button is pressed, in the widget itself."""

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        async def writing() -> AsyncGenerator[WidgetRoot, None]:
            text = ""
            for word in ("One", " two", " three"):
                text += word
                yield card(text, streaming=True)
                await asyncio.sleep(0)
            yield card(text + ".")

        def generate_id(kind: Any) -> str:  # noqa: ANN401
            return self.store.generate_item_id(kind, thread, context)

        async for event in stream_widget(thread, writing(), "One two three.", generate_id):
            yield event

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        assert sender is not None
        pressed = action.payload["pressed"] + 1
        widget = card("One two three.", pressed=pressed)
        yield ThreadItemUpdatedEvent(item_id=sender.id, update=WidgetRootUpdated(widget=widget))

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: dict[str, Any],
    ) -> SyncCustomActionResponse:
        assert sender is not None
        return SyncCustomActionResponse(
            updated_item=sender.model_copy(update={"copy_text": "copied"})
        )
