"""Passages: what stands under one heading, in parts short enough to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from parlour.knowledge.base import Block
from parlour.knowledge.document import Document

MAX_WORDS: Final = 220
MAX_CODE_CHARS: Final = 6000
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])")


@dataclass(frozen=True, slots=True)
class Part:
    """A passage before it has a number: ``headings`` starts with the page's title."""

    anchor: str
    headings: tuple[str, ...]
    blocks: tuple[Block, ...]


def split(document: Document) -> Iterator[Part]:
    """The page's passages in order; a heading without text of its own gives none.

    Code and tables stay whole, a list stays with the sentence that leads it in.
    """
    path: list[tuple[int, str]] = []
    for section in document.sections:
        while path and path[-1][0] >= section.level:
            path.pop()
        if section.heading and not (section.level == 1 and section.heading == document.title):
            path.append((section.level, section.heading))
        headings = (document.title, *(heading for _, heading in path))
        for blocks in _fill(section.blocks):
            yield Part(section.anchor, headings, blocks)


def _fill(blocks: Sequence[Block]) -> Iterator[tuple[Block, ...]]:
    groups = list(_groups(blocks))
    total = sum(_words(group) for group in groups)
    # Parts of about equal length: a last part of one sentence would say little alone.
    target = total / max(1, -(-total // MAX_WORDS))
    part: list[Block] = []
    size = 0
    for group in groups:
        if part and size + _words(group) / 2 > target:
            yield tuple(part)
            part, size = [], 0
        part.extend(group)
        size += _words(group)
    if part:
        yield tuple(part)


def _groups(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Blocks that must stay together, none of them much longer than a passage."""
    group: list[Block] = []
    for block in chain.from_iterable(map(_bounded, blocks)):
        if group and not _belongs(group, block):
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _belongs(group: list[Block], block: Block) -> bool:
    last = group[-1]
    if _words(group) > MAX_WORDS:
        return False
    if last.text.endswith(":"):
        return True
    return last.kind == "item" and block.kind in ("item", "code") and block.marker != "1."


def _bounded(block: Block) -> Iterator[Block]:
    if block.kind in ("code", "table"):
        yield from _in_lines(block, MAX_CODE_CHARS)
    elif len(block.text) < 1200:
        yield block
    else:
        for number, text in enumerate(_in_sentences(block.text)):
            yield Block(block.kind, text, block.marker if number == 0 else "", block.depth)


def _in_lines(block: Block, limit: int) -> Iterator[Block]:
    lines: list[str] = []
    size = 0
    for line in block.text.split("\n"):
        for piece in (line[i : i + limit] for i in range(0, max(1, len(line)), limit)):
            if lines and size + len(piece) > limit:
                yield Block(block.kind, "\n".join(lines), block.marker)
                lines, size = [], 0
            lines.append(piece)
            size += len(piece) + 1
    yield Block(block.kind, "\n".join(lines), block.marker)


def _in_sentences(text: str) -> Iterator[str]:
    part = ""
    for sentence in _SENTENCE_END.split(text):
        for piece in (sentence[i : i + 1200] for i in range(0, len(sentence), 1200)):
            if part and len(part) + len(piece) > 1200:
                yield part
                part = ""
            part = f"{part} {piece}".strip()
    if part:
        yield part


def _words(blocks: Sequence[Block]) -> int:
    return sum(block.text.count(" ") + 1 for block in blocks)
