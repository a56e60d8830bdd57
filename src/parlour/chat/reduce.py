"""What the protocol's events do to a thread's items: the same rules the element follows.

``spec/transcripts/`` holds the proof, replayed here and in TypeScript. Whatever is put into an item
is a copy, so an event is never changed by a later one; unknown types change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Final

from parlour.protocol import JsonObject


def apply_update(item: JsonObject, update: JsonObject) -> JsonObject:
    """The item after one of the ten item updates; it is changed in place and given back.

    An update that is unknown, or meant for another kind of item, changes nothing.
    """
    kind = update.get("type", "")
    apply = _UPDATES.get(kind)
    if apply is not None and kind.startswith(f"{item.get('type')}."):
        apply(item, update)
    return item


def apply_event(items: list[JsonObject], event: JsonObject) -> None:
    """Changes ``items``, as a client shows them, by one of the twelve stream events.

    Only item events matter: a thread event's own ``items`` means "not included", never "empty".
    """
    match event.get("type"):
        case "thread.item.added" | "thread.item.done" | "thread.item.replaced":
            _put(items, deepcopy(event["item"]))
        case "thread.item.updated":
            at = _position(items, event["item_id"])
            if at is not None:
                items[at] = apply_update(items[at], event["update"])
        case "thread.item.removed":
            at = _position(items, event["item_id"])
            if at is not None:
                del items[at]


def _position(items: list[JsonObject], item_id: str) -> int | None:
    for at in range(len(items) - 1, -1, -1):
        if items[at]["id"] == item_id:
            return at
    return None


def _put(items: list[JsonObject], item: JsonObject) -> None:
    at = _position(items, item["id"])
    if at is None:
        items.append(item)
    else:
        items[at] = item


# -- assistant messages --------------------------------------------------------------------------


def _part(item: JsonObject, update: JsonObject) -> JsonObject:
    """The content part an update is about; parts not announced yet are there, empty."""
    content: list[JsonObject] = item.setdefault("content", [])
    while len(content) <= update["content_index"]:
        content.append({"type": "output_text", "text": "", "annotations": []})
    return content[update["content_index"]]


def _part_added(item: JsonObject, update: JsonObject) -> None:
    part = _part(item, update)
    part.clear()
    part.update(deepcopy(update["content"]))


def _part_text_delta(item: JsonObject, update: JsonObject) -> None:
    part = _part(item, update)
    part["text"] = part.get("text", "") + update["delta"]


def _part_annotation_added(item: JsonObject, update: JsonObject) -> None:
    annotations: list[JsonObject] = _part(item, update).setdefault("annotations", [])
    annotations.insert(update["annotation_index"], deepcopy(update["annotation"]))


def _part_done(item: JsonObject, update: JsonObject) -> None:
    part = _part(item, update)
    earlier = part.get("annotations", [])
    part.clear()
    part.update(deepcopy(update["content"]))
    # The official SDK always sends an empty list here, whatever it announced before.
    part["annotations"] = part.get("annotations") or earlier


# -- widgets -------------------------------------------------------------------------------------


def _components(component: JsonObject) -> Iterator[JsonObject]:
    """A component and everything below it; ``children`` is a list, or one component."""
    yield component
    children = component.get("children") or []
    for child in children if isinstance(children, list) else [children]:
        yield from _components(child)


def _component(item: JsonObject, update: JsonObject) -> JsonObject | None:
    wanted = update["component_id"]
    return next((each for each in _components(item["widget"]) if each.get("id") == wanted), None)


def _text_value_delta(item: JsonObject, update: JsonObject) -> None:
    component = _component(item, update)
    if component is None:
        return
    component["value"] = component.get("value", "") + update["delta"]
    if update.get("done") and component.get("streaming"):
        component["streaming"] = False


def _component_updated(item: JsonObject, update: JsonObject) -> None:
    component = _component(item, update)
    if component is not None:
        component.clear()
        component.update(deepcopy(update["component"]))


def _root_updated(item: JsonObject, update: JsonObject) -> None:
    item["widget"] = deepcopy(update["widget"])


# -- workflows and images ------------------------------------------------------------------------


def _task_added(item: JsonObject, update: JsonObject) -> None:
    # An index past the end means the end: there is no such thing as an empty task.
    item["workflow"]["tasks"].insert(update["task_index"], deepcopy(update["task"]))


def _task_updated(item: JsonObject, update: JsonObject) -> None:
    tasks: list[JsonObject] = item["workflow"]["tasks"]
    at = update["task_index"]
    tasks[at : at + 1] = [deepcopy(update["task"])]


def _image_updated(item: JsonObject, update: JsonObject) -> None:
    item["image"] = deepcopy(update["image"])


_UPDATES: Final[dict[str, Callable[[JsonObject, JsonObject], None]]] = {
    "assistant_message.content_part.added": _part_added,
    "assistant_message.content_part.text_delta": _part_text_delta,
    "assistant_message.content_part.annotation_added": _part_annotation_added,
    "assistant_message.content_part.done": _part_done,
    "widget.streaming_text.value_delta": _text_value_delta,
    "widget.component.updated": _component_updated,
    "widget.root.updated": _root_updated,
    "workflow.task.added": _task_added,
    "workflow.task.updated": _task_updated,
    "generated_image.updated": _image_updated,
}
