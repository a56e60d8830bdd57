"""Shorthands for what scenes are made of: the protocol's events, a model's events, and scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, Literal, cast

from agents import RawResponsesStreamEvent, RunResultStreaming
from chatkit.agents import AgentContext, ResponseStreamConverter, stream_agent_response
from chatkit.server import stream_widget
from chatkit.types import (
    ThreadMetadata,
    ThreadStreamEvent,
)
from chatkit.widgets import DynamicWidgetRoot
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from transcript_stage import Json, Play, Script

_events: Final = TypeAdapter[ThreadStreamEvent](ThreadStreamEvent)
_responses: Final = TypeAdapter[ResponseStreamEvent](ResponseStreamEvent)

STAMP: Final = "2026-01-01T00:00:00"


class ScriptedRun:
    """The part of an agent's run that the official engine reads: a model's streamed events."""

    def __init__(self, events: Sequence[Json]) -> None:
        self._events = events

    async def stream_events(self) -> AsyncIterator[RawResponsesStreamEvent]:
        for number, event in enumerate(self._events):
            data = _responses.validate_python(
                {"sequence_number": number, "output_index": 0} | event
            )
            if "annotation" in event:
                # openai 3 parses it into a class that openai-chatkit 1.6.5 refuses; a dict it takes.
                data = data.model_copy(update={"annotation": event["annotation"]})
            yield RawResponsesStreamEvent(data=data)


def agent(*events: Json, images: int | None = None) -> Script:
    """An answer made by the official agent bridge out of these Responses API events."""

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        context = AgentContext[None](thread=thread, store=play.store, request_context=None)
        run = cast(RunResultStreaming, ScriptedRun(events))
        converter = ResponseStreamConverter(partial_images=images)
        async for event in stream_agent_response(context, run, converter=converter):
            yield event

    return script


def plain(*events: Json) -> Script:
    """An answer made of these events as they are; items get the thread's id and a date."""

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        for event in events:
            if "item" in event:
                common = {"thread_id": thread.id, "created_at": STAMP}
                event = event | {"item": common | event["item"]}
            yield _events.validate_python(event)

    return script


def item_event(kind: str, item_id: str, item_type: str, **fields: object) -> Json:
    return {"type": f"thread.item.{kind}", "item": {"id": item_id, "type": item_type, **fields}}


def update_event(item_id: str, kind: str, **fields: object) -> Json:
    update = {"type": kind, **fields}
    return {"type": "thread.item.updated", "item_id": item_id, "update": update}


def part_event(item_id: str, kind: str, index: int = 0, **fields: object) -> Json:
    name = f"assistant_message.content_part.{kind}"
    return update_event(item_id, name, content_index=index, **fields)


def text_part(text: str = "", *annotations: Json) -> Json:
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def citation(title: str, index: int) -> Json:
    source = {"type": "url", "title": title, "url": f"https://example.com/{title.lower()}"}
    return {"type": "annotation", "source": source, "index": index}


def message(item_id: str, status: Literal["in_progress", "completed"], *content: Json) -> Json:
    """A Responses API event that opens or ends a message."""
    kind = "added" if status == "in_progress" else "done"
    return {
        "type": f"response.output_item.{kind}",
        "item": {
            "id": item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": list(content),
        },
    }


def spoken(kind: str, item_id: str, **fields: object) -> Json:
    """A Responses API event about a message's first content part."""
    logprobs: Json = {} if "annotation" in fields or "part" in fields else {"logprobs": []}
    place = {"item_id": item_id, "content_index": 0}
    return {"type": f"response.{kind}", **place, **logprobs, **fields}


def url_citation(title: str, start: int, end: int) -> Json:
    url = f"https://example.com/{title.lower()}"
    return {
        "type": "url_citation",
        "title": title,
        "url": url,
        "start_index": start,
        "end_index": end,
    }


def widget(children: list[Json], **fields: object) -> Json:
    return {"type": "Card", **fields, "children": children}


def states(*widgets: Json) -> Script:
    """An answer that is one widget, streamed through these states."""

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        async def roots() -> AsyncIterator[DynamicWidgetRoot]:
            for state in widgets:
                yield DynamicWidgetRoot.model_validate(state)

        stream = stream_widget(thread, roots(), "copied", lambda _: play.id("msg"))  # type: ignore[arg-type]
        async for event in stream:
            yield event

    return script
