"""An answerer that does what the question says, so that anybody can tell what the answer must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from parlour.answer.base import Answerer, AnswerEvent, Emit, Question, Text
from parlour.errors import ModelFailed
from parlour.protocol import JsonObject, encode, message_text, new_id, parse, timestamp


@dataclass(frozen=True)
class Order:
    """A question that says how it is to be answered.

    Each of ``parts`` is an assistant message of ``words`` words, ``delay`` seconds apart, with a
    task between two of them. ``padding`` makes every word longer by so many characters; ``pause``
    is a silence in seconds before the first word. The answer breaks off after ``fail_after`` words.
    """

    name: str
    words: int = 60
    delay: float = 0.01
    parts: int = 1
    padding: int = 0
    pause: float = 0.0
    fail_after: int | None = None

    def text(self) -> str:
        """The question itself."""
        return encode(asdict(self)).decode()

    @classmethod
    def read(cls, item: JsonObject) -> Order | None:
        """The order in a user message; None for any other."""
        text = message_text(item)
        return cls(**parse(text.encode())) if text.startswith("{") else None

    def word(self, part: int, number: int) -> str:
        return f"{self.name}-{part}-{number}{'x' * self.padding} "

    def part(self, part: int) -> str:
        """The whole text of one of the answer's messages."""
        return "".join(self.word(part, number) for number in range(self.words))

    def answer(self) -> list[tuple[str, str]]:
        """The complete answer: type and text of its items."""
        items = []
        for part in range(self.parts):
            if part:
                items.append(("task", self.title(part)))
            items.append(("assistant_message", self.part(part)))
        return items

    def title(self, part: int) -> str:
        return f"{self.name} before {part}"


class Dictated(Answerer):
    """Answers orders as they say, and anything else with one word."""

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        order = Order.read(question.message) if question.message else None
        if order is None:
            yield Text("Yes.")
            return
        said = 0
        if order.pause:
            await asyncio.sleep(order.pause)
        for part in range(order.parts):
            if part:
                yield Emit({"type": "thread.item.done", "item": _task(question, order.title(part))})
            for number in range(order.words):
                if said == order.fail_after:
                    raise ModelFailed("The model was told to fail.")
                yield Text(order.word(part, number))
                said += 1
                if order.delay:
                    await asyncio.sleep(order.delay)


def _task(question: Question, title: str) -> JsonObject:
    return {
        "id": new_id("task"),
        "thread_id": question.thread.id,
        "created_at": timestamp(),
        "type": "task",
        "task": {"type": "custom", "status_indicator": "complete", "title": title},
    }
