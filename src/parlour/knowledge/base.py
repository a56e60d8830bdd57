"""What the answerers need of a body of pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a passage that is quoted as one thing; inline code keeps its backticks.

    ``marker`` is a list item's bullet or number, or a code block's language; ``depth`` counts how
    deep a list item is nested; a table's ``text`` has one row a line, cells between `` | ``, the
    header first.
    """

    kind: Literal["text", "item", "code", "table"]
    text: str
    marker: str = ""
    depth: int = 0

    def plain(self) -> str:
        """As it stands in a passage's text."""
        if self.kind == "item":
            return f"{'  ' * self.depth}{self.marker} {self.text}"
        if self.kind == "code":
            fence = "```" if "```" not in self.text else "`````"
            return f"{fence}{self.marker}\n{self.text}\n{fence}"
        return self.text


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a page under one heading.

    ``text`` is plain text as a reader sees it, code in fences; ``url`` is the page's address with
    the heading's anchor; ``page`` is the page's path without the anchor; ``headings`` leads from
    the page's title down to the passage; ``blocks`` is the same text in the parts it is made of.
    """

    id: int
    page: str
    url: str
    title: str
    headings: tuple[str, ...]
    text: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found; a higher score is a better match, comparable within one search only.

    ``coverage`` says how much of what was asked the passage speaks of, from 0 to 1.
    """

    passage: Passage
    score: float
    coverage: float = 0.0


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an indexing run found."""

    files: int
    passages: int
    seconds: float
    skipped: tuple[str, ...] = ()
