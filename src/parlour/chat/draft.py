"""An item while it is being written."""

from __future__ import annotations

from typing import Any

from parlour.chat.reduce import apply_update
from parlour.protocol import JsonObject

_TEXT_DELTA = "assistant_message.content_part.text_delta"


class Draft:
    """The engine's own copy of an item that a turn has announced and not finished.

    Text is kept in pieces and joined only when somebody looks, so a delta costs the same however
    long the answer is. ``stored`` says that the item was in the store before this turn touched it.
    """

    __slots__ = ("_item", "_tails", "stored")

    def __init__(self, item: JsonObject, *, stored: bool = False) -> None:
        self._item = item
        self._tails: dict[int, list[str]] = {}
        self.stored = stored

    def append(self, content_index: int, delta: str) -> None:
        """More text for one part of an assistant message."""
        tail = self._tails.get(content_index)
        if tail is None:
            tail = self._tails[content_index] = []
        tail.append(delta)

    def update(self, update: JsonObject) -> None:
        """Any of the protocol's item updates."""
        if update.get("type") == _TEXT_DELTA:
            self.append(update["content_index"], update["delta"])
        else:
            self._item = apply_update(self.item(), update)

    def item(self) -> JsonObject:
        """The item as it stands."""
        for index, tail in self._tails.items():
            delta = {"type": _TEXT_DELTA, "content_index": index, "delta": "".join(tail)}
            self._item = apply_update(self._item, delta)
        self._tails.clear()
        return self._item

    @property
    def worth_keeping(self) -> bool:
        """False for an item that holds nothing a visitor has seen."""
        item: dict[str, Any] = self.item()
        match item["type"]:
            case "assistant_message":
                return any(part.get("text", "").strip() for part in item["content"])
            case "generated_image":
                return item.get("image") is not None
            case "workflow":
                return bool(item["workflow"]["tasks"])
        return True
