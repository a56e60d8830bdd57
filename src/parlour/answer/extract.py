"""The keyless answerer: the site's own sentences, quoted, with where they stand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from parlour.answer import quoting
from parlour.answer.base import Answerer, AnswerEvent, Cite, Materials, Question, Text
from parlour.answer.evidence import Evidence, Judge, Quote
from parlour.answer.titles import title_of
from parlour.knowledge import Findings, Knowledge, Passage
from parlour.knowledge.words import fold
from parlour.protocol import JsonObject, message_text

NOT_SAID: Final = "This site does not say."
NEAREST: Final = "These pages come nearest:"
NO_PAGES: Final = (
    "I answer with quotes from this site's pages, but I have not been given any pages yet."
)
WELCOME: Final = "You’re welcome. Ask me anything else about this site."

_MAX_PAUSES: Final = 30
_HISTORY: Final = 12
_NEAR: Final = 0.2

_GREETING: Final = re.compile(
    r"(?:hi|hello|hey|hiya|howdy|good (?:morning|afternoon|evening|day)|greetings|yo|test|help|help me"
    r"|(?:what|who) are you|what can you do|how can you help(?: me)?|what can i ask(?: you)?|how are you"
    r"|are you (?:a )?(?:bot|human|real|ai))(?: (?:there|again|everyone|all|parlour))?"
)
_THANKS: Final = re.compile(
    r"(?:ok(?:ay)?|great|perfect|cool|nice|super|awesome|got it|alright|good)?[ ,.!]*"
    r"(?:thanks|thank you|thx|ty|cheers|bye|goodbye|great|perfect|cool|nice|awesome|got it|ok(?:ay)?)"
    r"(?: (?:a lot|so much|very much|you|again|for (?:that|your help|the help)|that helps?|that helped))*"
)
_EDGES: Final = re.compile(r"^\W+|\W+$")
_PIECE: Final = re.compile(r"\S+\s*")


class ExtractAnswerer(Answerer):
    """Answers with the sentences of the site's pages and never writes one of its own as fact.

    ``pause`` is the time between two pieces of text, in seconds; thirty of them at the most.
    """

    reason = "no model is configured, so answers are quotes from the pages"

    def __init__(self, knowledge: Knowledge | None, *, pause: float = 0.012) -> None:
        self._knowledge = knowledge
        self._pause = pause

    @classmethod
    def from_spec(cls, rest: str, materials: Materials) -> ExtractAnswerer:
        return cls(materials.knowledge)

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        """Quotes with their sources, or plainly that the site does not say."""
        text, earlier = await _asked(question)
        events = await self._reply(text, earlier, question)
        pause = min(1.0, _MAX_PAUSES / max(1, len(events))) * self._pause
        for number, event in enumerate(events):
            if number and isinstance(event, Text):
                await asyncio.sleep(pause)
            yield event

    async def title(self, question: Question) -> str | None:
        """The first meaningful words of the question."""
        return title_of(question.text or question.quoted_text or "")

    async def _reply(
        self, text: str, earlier: Sequence[str], question: Question
    ) -> list[AnswerEvent]:
        if self._knowledge is None or not self._knowledge.report.passages:
            return _pieces(NO_PAGES)
        bare = _EDGES.sub("", fold(text))
        if not question.quoted_text and _GREETING.fullmatch(bare):
            return _pieces(await self._introduction(self._knowledge))
        if not question.quoted_text and _THANKS.fullmatch(bare):
            return _pieces(WELCOME)
        findings = await self._knowledge.find(
            text,
            limit=8,
            context=earlier,
            page=question.context.page,
            quote=question.quoted_text,
        )
        leaning = f"{earlier[-1]} {text}" if findings.follows_up and earlier else text
        found = Judge(leaning, findings, question.quoted_text or "").evidence()
        return _quoted(found) if found else _pieces(_not_said(findings))

    async def _introduction(self, knowledge: Knowledge) -> str:
        pages = [title for title, _ in await knowledge.pages()]
        topics = list(dict.fromkeys(quoting.escape(title) for title in pages))[:4]
        return (
            "Hello! Ask me anything about this site. I look through its pages and answer with what "
            f"they say, word for word, with links. There are pages about {_listed(topics)}, for example."
        )


async def _asked(question: Question) -> tuple[str, list[str]]:
    """What is asked now, and what the visitor asked before it, oldest first."""
    history = await question.history(_HISTORY)
    own_id = question.message["id"] if question.message else None
    earlier: list[str] = []
    for item in history:
        if item.get("id") == own_id:
            break
        if item.get("type") == "user_message":
            earlier.append(message_text(item))
    if question.message is None and earlier:
        return earlier[-1], earlier[:-1]
    return question.text, earlier


def _quoted(found: Sequence[Evidence]) -> list[AnswerEvent]:
    """Each passage's quotes under its name, the source right behind its last words."""
    events: list[AnswerEvent] = []
    for evidence in found:
        if events:
            events.append(Text("\n\n"))
        events += _pieces(f"**{quoting.escape(_name(evidence.passage))}**")
        cited = max(
            (n for n, quote in enumerate(evidence.quotes) if quote.kind in ("text", "item")),
            default=-1,
        )
        if cited < 0:
            events.append(Cite(_source(evidence)))
        for number, quote in enumerate(evidence.quotes):
            events.append(Text("\n\n"))
            events += _pieces(_markdown(quote))
            if number == cited:
                events.append(Cite(_source(evidence)))
    return events


def _markdown(quote: Quote) -> str:
    if quote.kind == "text":
        return quoting.paragraph(quote.text)
    if quote.kind == "table":
        return quoting.table(quote.text.split("\n"))
    if quote.kind == "code":
        return quoting.code(quote.blocks[0])
    return quoting.items(quote.blocks)


def _source(evidence: Evidence) -> JsonObject:
    first = evidence.quotes[0]
    words = first.text or " ".join(block.text for block in first.blocks)
    line = " ".join(words.split())
    return {
        "type": "url",
        "title": _name(evidence.passage),
        "url": evidence.passage.url,
        "description": line if len(line) <= 200 else f"{line[:199]}…",
    }


def _name(passage: Passage) -> str:
    """The page's title and the passage's own heading."""
    last = passage.headings[-1]
    return passage.title if last == passage.title else f"{passage.title} › {last}"


def _not_said(findings: Findings) -> str:
    near: dict[str, str] = {}
    for hit in findings.hits:
        if hit.coverage >= _NEAR and len(near) < 3:
            name = quoting.escape(_name(hit.passage))
            near.setdefault(hit.passage.page, f"- [{name}]({hit.passage.url})")
    return "\n\n".join([NOT_SAID, NEAREST, "\n".join(near.values())]) if near else NOT_SAID


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _pieces(text: str) -> list[AnswerEvent]:
    """The text a few words at a time, as it is streamed."""
    words = _PIECE.findall(text)
    step = max(3, len(words) // _MAX_PAUSES)
    return [Text("".join(words[i : i + step])) for i in range(0, len(words), step)]
