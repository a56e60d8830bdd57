"""Questions to begin with, made from headings the site really has."""

from __future__ import annotations

import re
from typing import Final

from parlour.protocol import JsonObject
from parlour.site.render import Content

COUNT: Final = 4
_TOPIC: Final = 2
_QUESTION: Final = re.compile(
    r"^(?:(?:what|when|where|why|who|which|how(?: long| much| many| often| fast)?) )?"
    r"(?:do|does|can|could|is|are|should|will|would)\b",
    re.I,
)
_HOW_TO: Final = re.compile(r"^how to (?=\w)", re.I)
_VAGUE: Final = re.compile(r"\b(?:it|its|this|that|them|these|those|here|there)\b", re.I)
_STEP: Final = re.compile(
    r"^(?:add|ask|build|cancel|change|check|choose|configure|connect|create|delete|deploy|embed|enable|export"
    r"|get|host|import|install|make|measure|migrate|move|open|pitch|place|protect|publish|put|remove|reset|return"
    r"|run|send|serve|set|show|start|stop|test|track|turn|undo|update|upgrade|use|verify|write)\b",
    re.I,
)
_EMPTY: Final = re.compile(
    r"^(?:overview|introduction|start here|contents|notes?|see also|next steps?|features|summary|more|faq"
    r"|examples?|license|licence|changelog|contributing|credits|usage|options|table of contents)\b",
    re.I,
)


def prompts_of(contents: list[Content]) -> list[JsonObject]:
    """Up to four prompts as the start screen takes them, no two from one page, questions first."""
    best = [min(ranked) for content in contents if (ranked := _ranked(content))]
    # The order of the pages decides among headings of one kind.
    best.sort(key=lambda one: one[0])
    return [
        {"label": text, "prompt": text, "icon": "circle-question"} for _, _, text in best[:COUNT]
    ]


def _ranked(content: Content) -> list[tuple[int, int, str]]:
    """The page's headings that ask or tell how, and its title, which alone may be a mere topic."""
    found = []
    headings = [entry.text for entry in content.toc if entry.level == 2]
    for place, heading in enumerate([content.title, *headings]):
        if 4 <= len(heading) <= 44 and not _EMPTY.match(heading) and ":" not in heading:
            rank, text = _prompt(heading)
            if (place == 0 or rank < _TOPIC) and (rank == 1 or not _VAGUE.search(text)):
                found.append((rank, place, text))
    return found


def _prompt(heading: str) -> tuple[int, str]:
    """What a visitor would ask to be told this; 0 for a question, 1 for a step, more for a topic."""
    bare = heading.rstrip("?.! ")
    if heading.endswith("?") or _QUESTION.match(bare):
        return 0, f"{bare}?"
    step = _HOW_TO.sub("", bare)
    first, _, rest = step.partition(" ")
    if (step != bare or _STEP.match(bare)) and rest and not _VAGUE.search(rest):
        return 1, f"How do I {first.lower()} {rest}?".replace(" your ", " my ")
    return _TOPIC, bare
