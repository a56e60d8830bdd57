"""Answerers that do what a test tells them: real ones, behind the same seam as ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from parlour.answer.base import ActionRequest, Answerer, AnswerEvent, Question, Text
from parlour.context import RequestContext
from parlour.protocol import JsonObject
from parlour.stores.base import Thread

Answer = Callable[[Question], AsyncIterator[AnswerEvent]]


class Scripted(Answerer):
    """Answers with whatever ``answer_with`` is at the moment; remembers what it was asked."""

    def __init__(self, answer_with: Answer | None = None) -> None:
        self.answer_with: Answer = answer_with or say("Hello ", "there.")
        self.act_with: Callable[[ActionRequest], AsyncIterator[AnswerEvent]] | None = None
        self.sync_with: Callable[[ActionRequest], JsonObject | None] | None = None
        self.stoppable = True
        self.titled: str | None = None
        self.questions: list[Question] = []
        self.actions: list[ActionRequest] = []
        self.thumbs: list[tuple[str, list[str], str]] = []
        self.ended: list[str] = []

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        self.questions.append(question)
        try:
            async for event in self.answer_with(question):
                yield event
            self.ended.append("finished")
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise

    async def action(self, request: ActionRequest) -> AsyncIterator[AnswerEvent]:
        self.actions.append(request)
        if self.act_with is not None:
            async for event in self.act_with(request):
                yield event

    async def sync_action(self, request: ActionRequest) -> JsonObject | None:
        self.actions.append(request)
        return self.sync_with(request) if self.sync_with else None

    async def feedback(
        self, thread_id: str, item_ids: object, kind: str, context: RequestContext
    ) -> None:
        assert isinstance(item_ids, list)
        self.thumbs.append((thread_id, item_ids, kind))

    async def transcribe(self, audio: bytes, mime_type: str, context: RequestContext) -> str:
        return f"{len(audio)} bytes of {mime_type}"

    def allow_cancel(self, thread: Thread, context: RequestContext) -> bool:
        return self.stoppable

    async def title(self, question: Question) -> str | None:
        return self.titled


def say(*pieces: str, delay: float = 0.0) -> Answer:
    """An answer in pieces, ``delay`` seconds apart."""

    async def answer(question: Question) -> AsyncIterator[AnswerEvent]:
        for piece in pieces:
            yield Text(piece)
            if delay:
                await asyncio.sleep(delay)

    return answer


def emit(*events: AnswerEvent) -> Answer:
    """An answer of ready events."""

    async def answer(question: Question) -> AsyncIterator[AnswerEvent]:
        for event in events:
            yield event

    return answer


def fail(error: Exception, *before: str) -> Answer:
    """An answer that breaks after some words."""

    async def answer(question: Question) -> AsyncIterator[AnswerEvent]:
        for piece in before:
            yield Text(piece)
        raise error

    return answer
