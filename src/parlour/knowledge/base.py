"""What the answerers need of a body of pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a page under one heading.

    ``text`` is plain text as a reader sees it; ``url`` is the page's address with the heading's
    anchor; ``page`` is the page's path without the anchor; ``headings`` leads from the page's
    title down to the passage.
    """

    id: int
    page: str
    url: str
    title: str
    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found; a higher score is a better match, comparable within one search only."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an indexing run found."""

    files: int
    passages: int
    seconds: float
    skipped: tuple[str, ...] = ()
