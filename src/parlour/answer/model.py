"""Answers written by a language model from the site's passages, with citations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from parlour.answer import ANSWERERS
from parlour.answer.base import Answerer, AnswerEvent, Cite, Materials, Notice, Question, Text
from parlour.answer.marks import MarkScanner
from parlour.answer.prompt import answer_messages, passage_title, title_messages
from parlour.errors import ConfigurationError, ModelFailed
from parlour.knowledge import Knowledge
from parlour.knowledge.base import Passage
from parlour.models.base import Delta, Finish, Model, ModelRequest, Refusal, TextDelta
from parlour.protocol import JsonObject, message_text
from parlour.stores.base import Store

PASSAGES: Final = 6
TITLE_TOKENS: Final = 24
TITLE_SECONDS: Final = 10.0
TITLE_CHARS: Final = 80

UNREACHABLE: Final = Notice(
    "warning",
    "The language model can't be reached right now, so this answer comes from the site's pages.",
)
WORDLESS: Final = Notice(
    "warning", "The language model gave no answer, so this one comes from the site's pages."
)
ENDINGS: Final = {
    "length": Notice("info", "The answer reached the model's length limit and was cut there."),
    "content_filter": Notice("warning", "The model's provider ended this answer early."),
}

log = logging.getLogger(__name__)


class ModelAnswerer(Answerer):
    """Asks the model with the best passages at hand; the fallback answers when it can't."""

    def __init__(
        self,
        model: Model,
        knowledge: Knowledge | None,
        fallback: Answerer,
        instructions: str = "",
        history_items: int = 20,
    ) -> None:
        self.reason = f"a model is set: {model.name}"
        self._model = model
        self._knowledge = knowledge
        self._fallback = fallback
        self._instructions = instructions
        self._history_items = history_items

    @classmethod
    def from_spec(cls, rest: str, materials: Materials) -> ModelAnswerer:
        """The model that is set up; the pages' own words when it fails."""
        if rest:
            raise ConfigurationError(
                f"The answerer is called 'model', not 'model:{rest}'.",
                hint=f"Set PARLOUR_ANSWER=model and PARLOUR_MODEL={rest}.",
            )
        return cls(
            materials.open_model(),
            materials.knowledge,
            ANSWERERS.load("extract").from_spec("", materials),
            materials.instructions,
            materials.history_items,
        )

    async def open(self, store: Store) -> None:
        await self._fallback.open(store)

    async def close(self) -> None:
        await self._model.close()
        await self._fallback.close()

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        """The model's answer; the fallback's, after a notice, if the model fails before a word."""
        request, passages = await self._prepare(question)
        wording = Wording(passages)
        notice = WORDLESS
        try:
            async with aclosing(self._model.stream(request)) as deltas:
                async for delta in deltas:
                    for event in wording.take(delta):
                        yield event
        except ModelFailed as failure:
            if wording.said:
                for event in wording.rest():
                    yield event
                log.warning("The model failed in mid-answer. %s %s", failure, failure.hint)
                raise broken_off(failure) from failure
            log.warning("The model failed, so the pages answer. %s %s", failure, failure.hint)
            notice = UNREACHABLE
        if not wording.said:
            yield notice
            async with aclosing(relayed(self._fallback.answer(question))) as events:
                async for event in events:
                    yield event

    async def title(self, question: Question) -> str | None:
        """The model's title, or the fallback's when the model is slow, silent or gone."""
        asked = question.text or question.quoted_text or ""
        request = ModelRequest(title_messages(asked), max_tokens=TITLE_TOKENS)
        text = ""
        try:
            async with (
                asyncio.timeout(TITLE_SECONDS),
                aclosing(self._model.stream(request)) as deltas,
            ):
                async for delta in deltas:
                    text += delta.text if isinstance(delta, TextDelta) else ""
        except (ModelFailed, TimeoutError) as failure:
            log.info("The model gave no title: %s", failure)
            text = ""
        return cleaned_title(text) or await self._fallback.title(question)

    async def _prepare(self, question: Question) -> tuple[ModelRequest, list[Passage]]:
        items = await question.history(self._history_items)
        if question.message is not None:
            own = question.message["id"]
            items = [*(item for item in items if item["id"] != own), question.message]
        passages = await self._find(question, items)
        messages = answer_messages(
            instructions=self._instructions,
            passages=passages,
            page=question.context.page,
            items=items,
        )
        return ModelRequest(messages), passages or []

    async def _find(self, question: Question, items: Sequence[JsonObject]) -> list[Passage] | None:
        if self._knowledge is None:
            return None
        asked = [message_text(item) for item in items if item.get("type") == "user_message"]
        hits = await self._knowledge.search(
            asked[-1] if asked else "",
            limit=PASSAGES,
            context=asked[:-1],
            page=question.context.page,
            quote=question.quoted_text,
        )
        return [hit.passage for hit in hits]


class Wording:
    """Turns a model's deltas into text and citations."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.said = False
        """True once the visitor has been given a word."""
        self._passages = passages
        self._scanner = MarkScanner()
        self._cited_here: set[int] = set()

    def take(self, delta: Delta) -> list[AnswerEvent]:
        """What this delta adds to the answer; a refusal is an answer too."""
        if isinstance(delta, TextDelta | Refusal):
            return self._events(self._scanner.feed(delta.text))
        if isinstance(delta, Finish):
            events = self.rest()
            if self.said and delta.reason in ENDINGS:
                events.append(ENDINGS[delta.reason])
            return events
        return []

    def rest(self) -> list[AnswerEvent]:
        """What was held back."""
        return self._events(self._scanner.end())

    def _events(self, pieces: Sequence[str | int]) -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        for piece in pieces:
            if isinstance(piece, str):
                if not self.said and piece.isspace():
                    continue
                self.said = True
                self._cited_here.clear()
                events.append(Text(piece))
            elif 1 <= piece <= len(self._passages) and piece not in self._cited_here:
                self._cited_here.add(piece)
                events.append(Cite(source_of(self._passages[piece - 1])))
        return events


def broken_off(failure: ModelFailed) -> ModelFailed:
    """The failure for the visitor's eyes: hosts and a provider's words are the operator's."""
    return ModelFailed(
        "The language model broke off before the answer was finished.",
        hint="Ask again.",
        retryable=failure.retryable,
    )


def source_of(passage: Passage) -> JsonObject:
    """A passage as a source of the protocol."""
    line = " ".join(passage.text.split())
    return {
        "type": "url",
        "title": passage_title(passage),
        "url": passage.url,
        "description": line if len(line) <= 200 else f"{line[:199]}…",
    }


async def relayed(events: AsyncIterator[AnswerEvent]) -> AsyncGenerator[AnswerEvent, None]:
    """Another answerer's events; closing this closes that."""
    try:
        async for event in events:
            yield event
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


def cleaned_title(text: str) -> str:
    """A title on one line, without the quotation marks and markup that models put around it."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(line.split()).strip(" \"'“”„«»*_#`.")[:TITLE_CHARS]
