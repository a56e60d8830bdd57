"""The words of the wire that every room shares: JSON, ids, times, which items are hidden."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object in the vocabulary of ``chatkit.types``: an item, an event, a thread."""

IdKind = Literal[
    "thread", "message", "tool_call", "workflow", "task", "attachment", "hidden", "turn"
]

_PREFIXES: Final[dict[IdKind, str]] = {
    "thread": "thr",
    "message": "msg",
    "tool_call": "tc",
    "workflow": "wf",
    "task": "tsk",
    "attachment": "atc",
    "hidden": "shcx",
    "turn": "trn",
}

HIDDEN_TYPES: Final = frozenset({"hidden_context_item", "sdk_hidden_context"})
"""Item types that are kept for the model and never sent to a client, in any event."""

EMPTY_PAGE: Final[JsonObject] = {"data": [], "has_more": False}

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def new_id(kind: IdKind) -> str:
    """A fresh id: the protocol's prefix and 128 random bits."""
    return f"{_PREFIXES[kind]}_{secrets.token_hex(16)}"


def now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601 in UTC with microseconds, as it goes on the wire."""
    return (moment or now()).astimezone(UTC).isoformat(timespec="microseconds")


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON; half a surrogate pair, which UTF-8 does not know, becomes U+FFFD."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_without_surrogates(value))


def _without_surrogates(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
        case list() | tuple():
            return [_without_surrogates(each) for each in value]
    return value


def parse(data: bytes | str) -> JsonObject:
    """One JSON object; raises ``msgspec.DecodeError`` when the bytes are not JSON."""
    return cast(JsonObject, _decoder.decode(data))


def is_hidden(item: JsonObject) -> bool:
    return item.get("type") in HIDDEN_TYPES


def message_text(item: JsonObject) -> str:
    """The plain text of a user or assistant message: its text parts and tags, joined."""
    return "".join(str(part.get("text", "")) for part in item.get("content", ()))
