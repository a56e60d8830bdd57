"""The tests every answerer must pass.

Subclass ``AnswererContract`` in a test module, set ``asked`` to a question that takes it more than
one piece of text to answer, and give it two fixtures: ``store``, an open and empty store, and
``answerer``, an answerer that is not yet opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import cast

import pytest

from parlour.answer.base import (
    ActionRequest,
    Answerer,
    AnswerEvent,
    Cite,
    Emit,
    Question,
    Text,
    ThreadChange,
)
from parlour.context import Caller, RequestContext
from parlour.errors import ParlourError, Unsupported
from parlour.protocol import JsonObject, encode, is_hidden, new_id, now, timestamp
from parlour.stores.base import Store, Thread

_EVENTS = {
    "thread.created",
    "thread.updated",
    "thread.item.added",
    "thread.item.updated",
    "thread.item.done",
    "thread.item.removed",
    "thread.item.replaced",
    "stream_options",
    "progress_update",
    "client_effect",
    "error",
    "notice",
}
_TEXT_DELTA = "assistant_message.content_part.text_delta"


def text_of(event: AnswerEvent) -> str:
    """The answer text an event adds."""
    if isinstance(event, Text):
        return event.delta
    update = event.event.get("update", {}) if isinstance(event, Emit) else {}
    return str(update["delta"]) if update.get("type") == _TEXT_DELTA else ""


class Talk:
    """One owner's thread; it keeps what an answerer says as the engine would."""

    def __init__(self, answerer: Answerer, store: Store, owner: str) -> None:
        self.answerer = answerer
        self.store = store
        self.context = RequestContext(Caller(owner))
        self.thread = Thread(new_id("thread"), now())

    async def question(self, text: str | None) -> Question:
        """The next question; None for a turn that continues after a client tool."""
        owner = self.context.caller.owner
        await self.store.add_thread(owner, self.thread)
        message: JsonObject | None = None
        if text is not None:
            content = [{"type": "input_text", "text": text}]
            message = self._item("user_message", content) | {
                "attachments": [],
                "inference_options": {},
            }
            await self.store.add_item(owner, self.thread.id, message)
        return Question(self.thread, message, self.context, self.store)

    async def answer(self, text: str | None) -> AsyncIterator[AnswerEvent]:
        """Asks, and gives on every event once it is kept."""
        said = ""
        stream = self.answerer.answer(await self.question(text))
        async with aclosing(cast("AsyncGenerator[AnswerEvent, None]", stream)) as events:
            async for event in events:
                if isinstance(event, Text):
                    said += event.delta
                await self._keep(event)
                yield event
        if said:
            part = {"type": "output_text", "text": said, "annotations": []}
            await self._add(self._item("assistant_message", [part]))

    async def _keep(self, event: AnswerEvent) -> None:
        owner, thread_id = self.context.caller.owner, self.thread.id
        if isinstance(event, ThreadChange):
            self.thread = await self.store.update_thread(owner, thread_id, event.changes)
        elif isinstance(event, Emit) and event.event["type"] == "thread.item.done":
            await self._add(event.event["item"])
        elif isinstance(event, Emit) and event.event["type"] == "thread.item.replaced":
            await self.store.save_item(owner, thread_id, event.event["item"])

    async def _add(self, item: JsonObject) -> None:
        await self.store.add_item(self.context.caller.owner, self.thread.id, item)

    def _item(self, kind: str, content: list[JsonObject]) -> JsonObject:
        return {
            "id": new_id("message"),
            "thread_id": self.thread.id,
            "created_at": timestamp(),
            "type": kind,
            "content": content,
        }


class AnswererContract:
    """Inherit, and provide ``asked``, ``store`` and ``answerer``."""

    asked: str

    @pytest.fixture
    async def talk(self, answerer: Answerer, store: Store) -> AsyncIterator[Talk]:
        """A conversation with the opened answerer."""
        await answerer.open(store)
        yield Talk(answerer, store, "ada")
        await answerer.close()

    async def test_an_answer_comes_in_pieces(self, talk: Talk) -> None:
        pieces = [text_of(event) async for event in talk.answer(self.asked)]
        assert len([piece for piece in pieces if piece]) > 1
        assert "".join(pieces).strip()

    async def test_every_event_is_valid_for_its_thread(self, talk: Talk) -> None:
        length = 0
        async for event in talk.answer(self.asked):
            length += len(text_of(event))
            if isinstance(event, Cite):
                assert event.source["title"]
                assert event.index is None or 0 <= event.index <= length
            if isinstance(event, Emit):
                assert encode(event.event)
                assert event.event["type"] in _EVENTS
                item = event.event.get("item")
                if item is not None:
                    assert item["thread_id"] == talk.thread.id
                    assert item["created_at"].endswith("+00:00")
                    assert not is_hidden(item)

    async def test_the_second_turn_works(self, talk: Talk) -> None:
        for _ in range(2):
            said = [text_of(event) async for event in talk.answer(self.asked)]
            assert "".join(said).strip()
        page = await talk.store.list_items("ada", talk.thread.id, limit=50)
        ids = [item.id for item in page.data]
        assert len(ids) == len(set(ids)) >= 4

    async def test_a_turn_without_a_message_ends(self, talk: Talk) -> None:
        async for _ in talk.answer(self.asked):
            pass
        with suppress(ParlourError):
            async for _ in talk.answer(None):
                pass

    async def test_closing_in_mid_answer_ends_the_work(self, talk: Talk) -> None:
        async for _ in talk.answer(self.asked):
            pass
        before = asyncio.all_tasks()
        stream = talk.answerer.answer(await talk.question(self.asked))
        async with asyncio.timeout(5):
            async for event in stream:
                if text_of(event):
                    break
            await cast("AsyncGenerator[AnswerEvent, None]", stream).aclose()
            await asyncio.sleep(0.05)
        assert asyncio.all_tasks() <= before
        again = [text_of(event) async for event in talk.answer(self.asked)]
        assert "".join(again).strip()

    async def test_two_at_once_are_kept_apart(self, talk: Talk) -> None:
        other = Talk(talk.answerer, talk.store, "eve")

        async def listen(one: Talk) -> str:
            return "".join([text_of(event) async for event in one.answer(self.asked)])

        said = await asyncio.gather(listen(talk), listen(other))
        assert all(text.strip() for text in said)
        for one, owner in ((talk, "ada"), (other, "eve")):
            page = await one.store.list_items(owner, one.thread.id, limit=50)
            assert len(page.data) >= 2

    async def test_a_title_is_one_short_line_or_none(self, talk: Talk) -> None:
        title = await talk.answerer.title(await talk.question(self.asked))
        if title is not None:
            assert 0 < len(title.strip()) <= 100
            assert "\n" not in title

    async def test_what_it_does_not_do_is_unsupported(self, talk: Talk) -> None:
        question = await talk.question(self.asked)
        request = ActionRequest(
            question.thread, {"type": "contract"}, None, question.context, talk.store
        )
        for attempt in (self._act, self._act_at_once, self._transcribe):
            with suppress(Unsupported):
                await attempt(talk.answerer, request)

    async def test_it_says_why_it_is_in_use(self, talk: Talk) -> None:
        assert talk.answerer.reason

    async def _act(self, answerer: Answerer, request: ActionRequest) -> None:
        async for event in answerer.action(request):
            assert event

    async def _act_at_once(self, answerer: Answerer, request: ActionRequest) -> None:
        await answerer.sync_action(request)

    async def _transcribe(self, answerer: Answerer, request: ActionRequest) -> None:
        await answerer.transcribe(b"", "audio/webm", request.context)
