"""A page of messages as Markdown that nobody's words can take apart.

Whatever somebody wrote stands in a block quote, every line of it, so that no heading and no name in
the document is anything but ours. A visitor's text is plain text and is escaped; an answer is
Markdown already and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from parlour.http.messages import Messages
from parlour.protocol import JsonObject

_SIGNS: Final = re.compile(r"[\\`*_{}\[\]<>#|~&$]")
_AT_THE_START: Final = re.compile(r"^(?:[-+=:]|\d+(?=[.)]))")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_NAMES: Final = {"user": "You", "assistant": "Assistant"}
_ENDS: Final = {
    "stopped": "This answer was stopped.",
    "failed": "This answer could not be finished.",
    "interrupted": "This answer was interrupted.",
}


def markdown(page: Messages, limit: int) -> str:
    """The page as a document: a title, then who said what, and when."""
    thread = page.thread
    parts = [f"# {_inline(thread.title or 'Conversation')}"]
    if page.before is not None:
        earlier = urlencode({"limit": limit, "before": page.before})
        parts.append(f"[Earlier messages](?{earlier})")
    for message in page.data:
        parts += _parts(message)
    return "\n\n".join(parts) + "\n"


def _parts(message: JsonObject) -> Iterator[str]:
    yield f"## {_NAMES[message['role']]}, {_time(message['created_at'])}"
    if quoted := message.get("quoted_text"):
        yield "About:"
        yield _quote(_plain(quoted))
    if text := message["text"]:
        yield _quote(text.splitlines() if message["role"] == "assistant" else _plain(text))
    if image := message.get("image"):
        yield _link("Image", image)
    if files := message.get("attachments"):
        yield "\n".join(f"- {_inline(str(each.get('name', 'file')))}" for each in files)
    if sources := _sources(message.get("citations", ())):
        yield "Sources:"
        yield "\n".join(f"{number}. {source}" for number, source in enumerate(sources, 1))
    if outcome := message.get("outcome"):
        yield f"*{_ENDS.get(outcome, 'This answer did not end.')}*"
    if feedback := message.get("feedback"):
        yield f"Feedback: {_inline(feedback)}"


def _sources(citations: list[JsonObject]) -> list[str]:
    """Each source once, in the order in which they are cited."""
    links = (
        _link(str(each.get("title") or each.get("filename") or "Source"), each.get("url"))
        for each in citations
    )
    return list(dict.fromkeys(links))


def _link(text: str, address: object) -> str:
    """A link, where the address is one that a page may follow; the text alone if not."""
    if not isinstance(address, str) or not _followable(address):
        return _inline(text)
    return f"[{_inline(text)}]({quote(address, safe='/:?#@!$&*+,;=%~')})"


def _followable(address: str) -> bool:
    try:
        return urlsplit(address.strip()).scheme in ("", "http", "https")
    except ValueError:
        return False


def _time(written: object) -> str:
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return "at an unknown time"
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _quote(lines: list[str]) -> str:
    return "\n".join(f"> {line}" if line.strip() else ">" for line in lines)


def _plain(text: str) -> list[str]:
    """Plain text as Markdown that looks like it: line by line, spaces at the start included."""
    lines = []
    for line in text.splitlines():
        words = line.lstrip()
        spaces = line[: len(line) - len(words)].expandtabs(4)
        lines.append("&nbsp;" * len(spaces) + _escaped(words.rstrip()))
    # A backslash at a line's end keeps the line's end, unless a paragraph ends there anyhow.
    following = [*lines[1:], ""]
    return [
        f"{line}\\" if line and after else line
        for line, after in zip(lines, following, strict=True)
    ]


def _inline(text: str) -> str:
    """Any text as one line without a meaning of its own."""
    return _escaped(" ".join(text.split())) or "-"


def _escaped(text: str) -> str:
    text = _SIGNS.sub(r"\\\g<0>", _CONTROL.sub("\ufffd", text))
    return _AT_THE_START.sub(_escape_start, text)


def _escape_start(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if not found[0].isdigit() else f"{found[0]}\\"
