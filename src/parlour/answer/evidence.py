"""Which words of the pages answer a question: judged sentence by sentence, never rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from parlour.knowledge import Block, Findings, Hit, Passage
from parlour.knowledge.words import fold, stems

MIN_COVERAGE: Final = 0.46
MAX_PASSAGES: Final = 3
MAX_QUOTES: Final = 4
MAX_CODE_LINES: Final = 40
MAX_LIST_WORDS: Final = 50

_END: Final = re.compile(
    r"[.!?…][\"'”’)\]]*\s+(?=[\"'“‘(\[`¿¡]*[^\W\d_a-z]|[\"'“‘(\[`]*\d)|(?<=[。！？])"
)
_ABBREVIATION: Final = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|cf|approx|no|nr|mr|mrs|ms|dr|st|fig|max|min|incl|ca|inc|ltd|[A-Z])\.\s*$",
    re.IGNORECASE,
)
_LEANS_BACK: Final = re.compile(
    r"(?:It|Its|This|That|These|Those|They|Their|He|She|Then|Otherwise|However|But|And|So|Instead|After that"
    r"|Beyond that|If not|If it|Both|Also|In that case|To see it)\b"
)
_ASKS_HOW: Final = re.compile(
    r"\bhow (?:do|can|to|should|would|does|could)\b|\bhow (?:i|we|you)\b|\bsteps?\b|\bset ?up\b|\binstall"
    r"|\b(?:code|example|snippet|command|curl|python|javascript|syntax)\b"
)
_TIME: Final = re.compile(
    r"\d[^.]{0,24}\b(?:second|minute|hour|day|week|month|year|am|pm)s?\b"
    r"|\b(?:daily|weekly|once|until|as soon as)\b",
    re.IGNORECASE,
)
_MONEY: Final = re.compile(
    r"[$€£¥]\s?\d|\d\s?(?:€|£|USD|EUR|dollars|euros)|\bfree\b|%", re.IGNORECASE
)
_PLACE: Final = re.compile(r"https?://|\w@\w|\b\w+\.\w{2,}/|\+\d[\d ]{6,}")
_NUMBER: Final = re.compile(r"\d")
_HINTS: Final = (
    (
        re.compile(r"\bhow (?:long|soon|quickly|often|many (?:days|hours|weeks))\b|^\s*when\b"),
        _TIME,
    ),
    (re.compile(r"\bhow (?:much|expensive)\b|\b(?:cost|price|fee|charge|discount)s?\b"), _MONEY),
    (re.compile(r"\b(?:phone|email|e-mail|contact|address|url)\b|^\s*where\b"), _PLACE),
    (
        re.compile(
            r"\bhow (?:many|heavy|big|large|tall|wide|old|far|fast)\b|\b(?:limit|size|weight)\b"
        ),
        _NUMBER,
    ),
)


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a passage shown together: sentences of one paragraph, items, rows or a code block."""

    kind: str
    blocks: tuple[Block, ...]
    text: str = ""


@dataclass(slots=True)
class Evidence:
    """What one passage contributes; ``strength`` is comparable within one question."""

    passage: Passage
    strength: float
    quotes: list[Quote] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, item, row or code block, and how well it fits: ``place`` is its block's number."""

    place: int
    text: str
    score: float


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; abbreviations, numbers and inline code do not end one."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        candidate = text[start : match.end()]
        if candidate.count("`") % 2 or _ABBREVIATION.search(candidate):
            continue
        found.append(candidate.strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


class Judge:
    """Weighs the words of passages against one question."""

    def __init__(self, question: str, findings: Findings, selected: str = "") -> None:
        asked = fold(question)
        self._findings = findings
        self._hints = [answer for asks, answer in _HINTS if asks.search(asked)]
        self._how = bool(_ASKS_HOW.search(asked))
        self._selected = " ".join(selected.split())

    def evidence(self) -> list[Evidence]:
        """What answers the question, the strongest passage first; empty when the pages do not say."""
        judged = [
            (hit, units)
            for hit in self._findings.hits
            if hit.coverage >= MIN_COVERAGE and (units := self._units(hit.passage))
        ]
        if not judged:
            return []
        strengths = [hit.score + max(unit.score for unit in units) for hit, units in judged]
        order = sorted(range(len(judged)), key=lambda number: -strengths[number])
        best = strengths[order[0]]
        best_unit = max(unit.score for unit in judged[order[0]][1])
        chosen: list[Evidence] = []
        left = MAX_QUOTES
        for number in order[:MAX_PASSAGES]:
            hit, units = judged[number]
            strongest = max(unit.score for unit in units)
            if chosen and (strengths[number] < 0.85 * best or strongest < 0.95 * best_unit):
                continue
            quotes = self._quotes(hit, units)[:left]
            left -= len(quotes)
            if quotes:
                chosen.append(Evidence(hit.passage, strengths[number], quotes))
        return chosen

    def _units(self, passage: Passage) -> list[_Unit]:
        above = frozenset(stems(" ".join(passage.headings)))
        found: list[_Unit] = []
        for place, block in enumerate(passage.blocks):
            # A listing answers who asks how or for code; elsewhere it only goes with its sentence.
            worth = 1.0 if block.kind != "code" or self._how else 0.7
            for text in _parts(block):
                found.append(_Unit(place, text, worth * self._score(text, above)))
        return found

    def _score(self, text: str, above: frozenset[str]) -> float:
        inside = frozenset(stems(text))
        score = 0.6 * self._findings.coverage(inside) + 0.4 * self._findings.coverage(
            inside | above
        )
        # What kind of words answer it: a question of how long wants a length of time.
        score += sum(0.15 if hint.search(text) else -0.1 for hint in self._hints)
        if self._selected and " ".join(text.split()) in self._selected:
            # The visitor has read this; what else the page says is the answer.
            score *= 0.5
        return score

    def _quotes(self, hit: Hit, units: Sequence[_Unit]) -> list[Quote]:
        """The best units of a passage in their order, with what they cannot be read without."""
        blocks = hit.passage.blocks
        best = max(unit.score for unit in units)
        wanted = {id(unit) for unit in units if unit.score >= 0.82 * best}
        places = {unit.place for unit in units if id(unit) in wanted}
        if self._how:
            places |= {place for place, block in enumerate(blocks) if block.marker[:1].isdigit()}
        found: list[Quote] = []
        place = 0
        while place < len(blocks):
            kind = blocks[place].kind
            end = place + 1
            while kind == "item" and end < len(blocks) and blocks[end].kind == "item":
                end += 1
            here = [unit for unit in units if place <= unit.place < end]
            if self._is_wanted(blocks, place, end, places):
                found.extend(_quote(blocks[place:end], here, wanted, whole=self._how))
            place = end
        return found

    def _is_wanted(self, blocks: Sequence[Block], place: int, end: int, places: set[int]) -> bool:
        if not places.isdisjoint(range(place, end)):
            return True
        block = blocks[place]
        led_in = place > 0 and blocks[place - 1].text.endswith(":") and place - 1 in places
        leads_in = block.kind == "text" and block.text.endswith(":") and end in places
        # "This starts the demo." says nothing without the command above it.
        leant_on = (
            block.kind == "code"
            and end in places
            and blocks[end].kind == "text"
            and bool(_LEANS_BACK.match(blocks[end].text))
        )
        return led_in or leads_in or leant_on


def _parts(block: Block) -> list[str]:
    if block.kind == "text":
        return sentences(block.text)
    if block.kind == "table":
        rows = block.text.split("\n")
        return rows[1:] or rows
    return [block.text]


def _quote(
    blocks: Sequence[Block], units: Sequence[_Unit], wanted: set[int], *, whole: bool
) -> Iterator[Quote]:
    block = blocks[0]
    chosen = [unit for unit in units if id(unit) in wanted]
    if block.kind == "text":
        yield Quote("text", (block,), " ".join(_readable(units, wanted)))
    elif block.kind == "code":
        if block.text.count("\n") < MAX_CODE_LINES:
            yield Quote("code", (block,))
    elif block.kind == "table":
        rows = block.text.split("\n")
        shown = (
            rows if len(rows) <= 4 or not chosen else [rows[0], *(unit.text for unit in chosen[:6])]
        )
        yield Quote("table", (block,), "\n".join(shown))
    else:
        words = sum(item.text.count(" ") + 1 for item in blocks)
        if words <= MAX_LIST_WORDS or not chosen or (whole and len(blocks) <= 12):
            yield Quote("item", tuple(blocks[:12]))
        else:
            first = units[0].place
            yield Quote("item", tuple(blocks[unit.place - first] for unit in chosen[:6]))


def _readable(units: Sequence[_Unit], wanted: set[int]) -> list[str]:
    """The wanted sentences of a paragraph and those they lean on; a short paragraph whole."""
    words = sum(unit.text.count(" ") + 1 for unit in units)
    if words <= 45 or not any(id(unit) in wanted for unit in units):
        return [unit.text for unit in units]
    kept = {number for number, unit in enumerate(units) if id(unit) in wanted}
    for number in sorted(kept):
        if number and _LEANS_BACK.match(units[number].text):
            kept.add(number - 1)
        if number + 1 < len(units) and _LEANS_BACK.match(units[number + 1].text):
            kept.add(number + 1)
    return [units[number].text for number in sorted(kept)]
