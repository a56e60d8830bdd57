"""A page taken apart: its headings with their anchors, and the blocks under them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from parlour.knowledge.base import Block

_NOT_IN_SLUG: Final = re.compile(r"[^\w\- ]")
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_ACRONYMS: Final = frozenset(
    {"api", "cli", "css", "faq", "html", "http", "sdk", "sql", "ui", "url"}
)
_INDEX_NAMES: Final = frozenset({"index", "readme"})


@dataclass(slots=True)
class Section:
    """What stands under one heading, up to the next; ``level`` 0 is what precedes all headings."""

    level: int
    heading: str
    anchor: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    """A page without its formatting; ``front`` holds the scalars of its front matter."""

    title: str
    sections: list[Section]
    front: Mapping[str, str] = field(default_factory=dict)


class Slugger:
    """Heading anchors as GitHub makes them, unique within one page."""

    def __init__(self, taken: set[str] | None = None) -> None:
        self._taken = taken or set()

    def slug(self, heading: str) -> str:
        """Lower case, punctuation dropped, spaces to hyphens, repeats numbered."""
        base = _NOT_IN_SLUG.sub("", heading.strip().lower()).replace(" ", "-")
        slug, count = base, 0
        while slug in self._taken or not slug:
            count += 1
            slug = f"{base or 'section'}-{count}"
        self._taken.add(slug)
        return slug


def page_path(file: str) -> str:
    """The address of a file's page: ``guide/start.md`` is ``/guide/start``, an index is its folder."""
    path = PurePosixPath(file).with_suffix("")
    if path.name.lower() in _INDEX_NAMES:
        folder = path.parent.as_posix()
        return "/" if folder == "." else f"/{folder}/"
    return f"/{path.as_posix()}"


def name_title(file: str) -> str:
    """A title made from a file's name, for a page that has none."""
    path = PurePosixPath(file)
    stem = path.stem if path.stem.lower() not in _INDEX_NAMES else path.parent.name or "Home"
    spaced = re.sub(r"[-_\s]+", " ", re.sub(r"^\d+[-_. ]", "", stem)).strip() or stem
    known = " ".join(
        word.upper() if word.lower() in _ACRONYMS else word for word in spaced.split(" ")
    )
    return known[:1].upper() + known[1:]


def clean(text: str) -> str:
    """Text without control and direction-changing characters; tabs and newlines stay."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    return " ".join(text.split())
