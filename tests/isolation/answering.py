"""An answerer with every kind of item in its answers, each with words of the question in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from parlour.answer.base import ActionRequest, Answerer, AnswerEvent, Emit, Question, Text
from parlour.context import RequestContext
from parlour.protocol import JsonObject, new_id, timestamp
from parlour.stores.base import Store

KINDS = ("text", "widget", "client_tool_call", "structured_input", "hidden_context_item", "wait")
"""The first word of a question says what comes after its answer's text; ``wait`` never ends."""


class Various(Answerer):
    """Knows the loop it lives in, its store, and how many of an owner's answers wait."""

    store: Store
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.waiting: Counter[str] = Counter()

    async def open(self, store: Store) -> None:
        self.store, self.loop = store, asyncio.get_running_loop()

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        asked = question.text or "text again"
        yield Text(f"You said: {asked}")
        kind = asked.split(" ")[0]
        if kind == "wait":
            await self._wait(question.context.caller.owner)
        if kind in KINDS[1:]:
            made = item(kind, question.thread.id, asked)
            yield Emit({"type": "thread.item.done", "item": made})

    async def action(self, request: ActionRequest) -> AsyncIterator[AnswerEvent]:
        yield Text(f"Pressed: {request.action['payload']}")

    async def sync_action(self, request: ActionRequest) -> JsonObject | None:
        return request.sender

    async def transcribe(self, audio: bytes, mime_type: str, context: RequestContext) -> str:
        return f"{len(audio)} bytes"

    async def _wait(self, owner: str) -> None:
        self.waiting[owner] += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting[owner] -= 1


def item(kind: str, thread_id: str, words: str) -> JsonObject:
    """An item of this kind that says these words."""
    fields: dict[str, JsonObject] = {
        "widget": {"widget": {"type": "Card", "children": [{"type": "Text", "value": words}]}},
        "client_tool_call": {
            "status": "pending",
            "call_id": "c1",
            "name": "look",
            "arguments": {"for": words},
        },
        "structured_input": {
            "status": "pending",
            "inputs": [{"id": "q", "type": "freeform", "question": words}],
        },
        "hidden_context_item": {"content": words},
    }
    common = {"id": new_id("message"), "thread_id": thread_id, "created_at": timestamp()}
    return {**common, "type": kind, **fields[kind]}
