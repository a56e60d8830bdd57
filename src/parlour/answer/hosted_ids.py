"""Gives every item that a hosted server streams one id of its own, and the right event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from agents.models.fake_id import FAKE_RESPONSES_ID

from parlour.answer.hosted_context import Binding
from parlour.protocol import IdKind, JsonObject, new_id

_FROM_MODELS: Final[dict[str, IdKind]] = {
    "assistant_message": "message",
    "client_tool_call": "tool_call",
}
"""Items to which the SDK gives an id that a language model's API made up."""


class ItemIds:
    """Renames items whose ids are not theirs alone, in all events of one turn.

    Chat Completions models have no item ids: the agents SDK calls every item of theirs
    ``__fake_id__``. Other ids may come twice too, from models that count from zero. An item that is
    already stored is announced as replaced, since it would otherwise be taken for a repetition.
    """

    def __init__(self, binding: Binding, exists: Callable[[str], Awaitable[bool]]) -> None:
        self._made = binding.made
        self._stored = binding.stored
        self._exists = exists
        self._open: dict[str, str] = {}
        self.names: dict[str, str] = {}
        """The present name of every id that was given another."""
        self._earlier: dict[str, list[str]] = {}
        self._tasks: dict[str, list[JsonObject]] = {}

    async def settle(self, event: JsonObject) -> list[JsonObject]:
        """The event in terms of our ids; an empty list when it is about nothing."""
        match event["type"]:
            case "thread.item.added":
                await self._added(event["item"])
                if event["item"]["type"] == "workflow":
                    self._tasks[event["item"]["id"]] = list(event["item"]["workflow"]["tasks"])
            case "thread.item.done":
                event["type"] = await self._done(event["item"])
            case "thread.item.replaced":
                item = event["item"]
                item["id"] = self.names.get(item["id"], item["id"])
                self._stored.add(item["id"])
            case "thread.item.updated":
                event["item_id"] = self.names.get(event["item_id"], event["item_id"])
                if event["update"]["type"] == "workflow.task.added":
                    self._place(event["item_id"], event["update"])
            case "thread.item.removed":
                return self._removed(event["item_id"])
        return [event]

    async def _added(self, item: JsonObject) -> None:
        item_id, kind = item["id"], item["type"]
        if await self._repeats(item_id, kind):
            self._rename(item)
        self._open[item_id] = kind

    async def _done(self, item: JsonObject) -> str:
        item_id, kind = item["id"], item["type"]
        if self._open.get(item_id) == kind:
            del self._open[item_id]
            item["id"] = self.names.get(item_id, item_id)
        elif item_id == FAKE_RESPONSES_ID or (
            kind == "client_tool_call" and await self._repeats(item_id, kind)
        ):
            self._rename(item)
        known = item["id"] in self._stored
        if not known and item["id"] not in self._made:
            known = await self._exists(item["id"])
        self._stored.add(item["id"])
        return "thread.item.replaced" if known else "thread.item.done"

    def _place(self, item_id: str, update: JsonObject) -> None:
        """Puts a task that equals an earlier one at the end: the SDK gives it the earlier one's place."""
        tasks = self._tasks.setdefault(item_id, [])
        at = update["task_index"]
        if at < len(tasks) and tasks[at] == update["task"]:
            update["task_index"] = at = len(tasks)
        tasks.insert(at, update["task"])

    async def _repeats(self, item_id: str, kind: str) -> bool:
        if kind not in _FROM_MODELS or item_id in self._made:
            return False
        if item_id == FAKE_RESPONSES_ID or item_id in self._stored or item_id in self.names:
            return True
        return await self._exists(item_id)

    def _rename(self, item: JsonObject) -> None:
        name = new_id(_FROM_MODELS.get(item["type"], "message"))
        self._made.add(name)
        self._earlier.setdefault(item["id"], []).append(name)
        self.names[item["id"]] = name
        item["id"] = name

    def _removed(self, item_id: str) -> list[JsonObject]:
        """A guardrail that trips takes back all items of a name at once."""
        gone = self._earlier.pop(item_id, [item_id])
        self._stored.difference_update(gone)
        return [{"type": "thread.item.removed", "item_id": each} for each in gone]
