"""Questions to begin with, made from headings the site really has."""

from __future__ import annotations

import re
from typing import Final

from parlour.protocol import JsonObject
from parlour.site.render import Content

COUNT: Final = 4
_QUESTION: Final = re.compile(r"^(?:how|what|when|where|why|who|which|can|do|does|is|are)\b", re.I)
_STEP: Final = re.compile(
    r"^(?:add|ask|build|cancel|change|check|choose|configure|connect|create|delete|deploy|embed|enable|export"
    r"|get|host|import|install|make|measure|migrate|move|open|pitch|place|protect|publish|remove|reset|return"
    r"|run|send|serve|set|show|start|stop|test|track|turn|undo|update|upgrade|use|verify|write)\b",
    re.I,
)
_EMPTY: Final = re.compile(
    r"^(?:overview|introduction|start here|contents|notes?|see also|next steps?|features|summary|more|faq"
    r"|examples?|license|licence|changelog|contributing|credits|usage|options|table of contents)\b",
    re.I,
)


def prompts_of(contents: list[Content]) -> list[JsonObject]:
    """Up to four prompts as the start screen takes them, each from another page where possible."""
    found: list[JsonObject] = []
    for content in contents:
        heading = next(
            (entry.text for entry in content.toc if _is_good(entry.text, entry.level)), None
        )
        if heading and len(found) < COUNT:
            question = _question(heading)
            found.append({"label": question, "prompt": question, "icon": "circle-question"})
    return found


def _is_good(heading: str, level: int) -> bool:
    return (
        level == 2 and 8 <= len(heading) <= 44 and not _EMPTY.match(heading) and ":" not in heading
    )


def _question(heading: str) -> str:
    bare = heading.rstrip("?.! ")
    if _QUESTION.match(bare):
        return f"{bare}?"
    first, _, rest = bare.partition(" ")
    lowered = first if first[1:] != first[1:].lower() else first.lower()
    if _STEP.match(bare) and rest:
        return f"How do I {lowered} {rest}?".replace(" your ", " my ")
    return f"Tell me about {lowered}{' ' if rest else ''}{rest}"
