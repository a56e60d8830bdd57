"""A conversation with a hosted server through the real engine, as a client has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chatkit.server import ChatKitServer

from parlour.answer.base import Answerer
from parlour.answer.hosted import HostedServer
from parlour.chat.attachments import Attachments
from parlour.chat.engine import Answered, Engine, Limits, Running
from parlour.chat.reduce import apply_event
from parlour.context import Caller, RequestContext
from parlour.files.local import LocalFiles
from parlour.protocol import JsonObject, encode, parse
from parlour.stores.base import Store
from parlour.stores.memory import MemoryStore
from parlour.turnlog.base import TextEntry
from parlour.turnlog.memory import MemoryTurnLog

OWNER = "guest-1"


def context(owner: str = OWNER, **rest: Any) -> RequestContext:  # noqa: ANN401
    return RequestContext(Caller(owner), base_url="http://test", **rest)


class Conversation:
    """Sends requests of one caller and collects what comes back."""

    def __init__(self, engine: Engine, owner: str = OWNER) -> None:
        self.engine = engine
        self.owner = owner
        self.thread_id = ""
        self.events: list[JsonObject] = []
        """The events of the newest turn."""

    async def request(self, kind: str, /, **params: object) -> Answered | Running:
        body = encode({"type": kind, "params": params})
        return await self.engine.handle(body, context(self.owner))

    async def json(self, kind: str, /, **params: object) -> JsonObject:
        answered = await self.request(kind, **params)
        assert isinstance(answered, Answered)
        return parse(answered.body)

    async def stream(
        self, kind: str, until: Callable[[JsonObject], bool] | None = None, /, **params: object
    ) -> list[JsonObject]:
        """The turn's events; stops the turn at the first that ``until`` says yes to."""
        running = await self.request(kind, **params)
        assert isinstance(running, Running)
        self.events = []
        async for batch in self.engine.read(self.owner, running.turn_id):
            for entry in batch:
                event = _text_event(entry) if isinstance(entry, TextEntry) else parse(entry.data)
                self.events.append(event)
                if event["type"] == "thread.created":
                    self.thread_id = event["thread"]["id"]
                if until is not None and until(event):
                    until = None
                    await self.engine.stop(self.owner, running.turn_id)
        return self.events

    async def say(
        self,
        text: str,
        until: Callable[[JsonObject], bool] | None = None,
        attachments: tuple[str, ...] = (),
    ) -> list[JsonObject]:
        """A message in the thread, which the first one starts."""
        given = {
            "content": [{"type": "input_text", "text": text}],
            "attachments": list(attachments),
            "inference_options": {},
        }
        if not self.thread_id:
            return await self.stream("threads.create", until, input=given)
        return await self.stream(
            "threads.add_user_message", until, thread_id=self.thread_id, input=given
        )

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def shown(self, *before: JsonObject) -> list[JsonObject]:
        """The items as the newest turn's events leave them on the screen."""
        items = list(before)
        for event in self.events:
            apply_event(items, event)
        return items

    async def items(self, *, hidden: bool = False) -> list[JsonObject]:
        """What lies in the store, oldest first."""
        page = await self.engine.store.list_items(
            self.owner, self.thread_id, limit=100, order="asc", hidden=hidden
        )
        return [parse(item.data) for item in page.data]


def _text_event(entry: TextEntry) -> JsonObject:
    update = {
        "type": "assistant_message.content_part.text_delta",
        "content_index": entry.content_index,
        "delta": entry.delta,
    }
    return {"type": "thread.item.updated", "item_id": entry.item_id, "update": update}


@asynccontextmanager
async def conversation(
    server: ChatKitServer | Answerer, files: Path, store: Store | None = None
) -> AsyncIterator[Conversation]:
    """An engine around a server, and one caller's conversation with it."""
    store = store or MemoryStore()
    engine = Engine(
        store=store,
        turnlog=MemoryTurnLog(),
        answerer=server if isinstance(server, Answerer) else HostedServer(server),
        attachments=Attachments(store, LocalFiles(files), secret="s" * 32, max_bytes=1000),
        limits=Limits(),
    )
    await engine.open()
    try:
        yield Conversation(engine)
    finally:
        await engine.close()
