"""Titles of conversations, made from the first question without any model."""

from __future__ import annotations

import re
from typing import Final

MAX_CHARS: Final = 60

_OPENING: Final = re.compile(
    r"^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening)|dear \w+|please|so|well|ok(?:ay)?"
    r"|excuse me|sorry|quick question|(?:i have )?a question|there|everyone|team|thanks|thank you)"
    r"\b[\s,.:;!–-]*"
    r"|(?:(?:can|could|would|will) (?:you|someone|anyone|anybody) (?:please |kindly )?"
    r"(?:tell|explain|show|help)(?: to)?(?: me| us)?(?: with| about)?"
    r"|(?:please )?(?:tell|show) me(?: about)?|do you (?:know|happen to know)"
    r"|i(?: would|'d|’d)? (?:like|want|need|wish) to (?:know|ask|find out)(?: about)?"
    r"|i(?: was|'m|’m| am) (?:just )?wondering|i wonder|may i ask|just wondering)\b[\s,.:;!–-]*)+",
    re.IGNORECASE,
)
_ENDING: Final = re.compile(r"[\s.,;:!?…–—-]+$")


def title_of(text: str) -> str | None:
    """The first meaningful words of a question, at most 60 characters; None where there are none."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    words = " ".join("".join(char if char.isprintable() else " " for char in line).split())
    # A question that is all politeness keeps it.
    title = _OPENING.sub("", words) or words
    first = re.match(r".{12,}?[.!?…](?=\s)", title)
    title = first.group() if first else title
    if len(title) > MAX_CHARS:
        cut = title[: MAX_CHARS + 1].rfind(" ")
        title = title[: cut if cut > MAX_CHARS // 2 else MAX_CHARS]
    title = _ENDING.sub("", title)
    # A name such as iPhone keeps its own capitals.
    starts = title[:1].upper() if title.partition(" ")[0].islower() else title[:1]
    return starts + title[1:] or None
