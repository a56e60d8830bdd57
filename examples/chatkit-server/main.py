"""An ordinary ChatKitServer. Nothing in this file knows of Parlour.

parlour serve main:server
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from chatkit.actions import Action
from chatkit.server import ChatKitServer, stream_widget
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ProgressUpdateEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
)
from chatkit.widgets import DynamicWidgetRoot


def order_card(number: str, status: str) -> DynamicWidgetRoot:
    return DynamicWidgetRoot.model_validate(
        {
            "type": "Card",
            "children": [
                {"type": "Title", "value": f"Order {number}"},
                {"type": "Badge", "label": status},
                {
                    "type": "Button",
                    "label": "Cancel the order",
                    "disabled": status == "cancelled",
                    "onClickAction": {"type": "cancel", "payload": {"number": number}},
                },
            ],
        }
    )


class ShopServer(ChatKitServer[dict[str, Any]]):
    """Shows the order whose number it is told, and lets it be cancelled."""

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        text = "".join(part.text for part in input_user_message.content)
        number = "".join(filter(str.isdigit, text))
        if not number:
            yield self.say("Which order is it? Tell me its number.", thread, context)
            return
        thread.title = f"Order {number}"
        yield ProgressUpdateEvent(text=f"Looking up order {number}")
        async for event in stream_widget(thread, order_card(number, "on its way")):
            yield event

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        card = order_card(action.payload["number"], "cancelled")
        yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": card}))
        yield self.say("It is cancelled.", thread, context)

    def say(
        self, text: str, thread: ThreadMetadata, context: dict[str, Any]
    ) -> ThreadItemDoneEvent:
        return ThreadItemDoneEvent(
            item=AssistantMessageItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=datetime.now(),
                content=[AssistantMessageContent(text=text)],
            )
        )


server = ShopServer(store=None)
