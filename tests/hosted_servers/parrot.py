"""A server in a module of its own, as ``parlour serve tests.hosted_servers.parrot:server`` finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from chatkit.server import ChatKitServer
from chatkit.types import (
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTextContent,
)

from tests.hosted_servers.scripted import spoken


class ParrotServer(ChatKitServer[dict[str, Any]]):
    """Says the newest question again, word by word."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(thread.id, None, 20, "desc", context)
        asked = next(item for item in page.data if isinstance(item, UserMessageItem))
        text = "".join(
            part.text for part in asked.content if isinstance(part, UserMessageTextContent)
        )
        words = [f"{word} " for word in text.split()]
        item_id = self.store.generate_item_id("message", thread, context)
        async for event in spoken(thread, item_id, *words):
            await asyncio.sleep(0.005)
            yield event


server = ParrotServer()
