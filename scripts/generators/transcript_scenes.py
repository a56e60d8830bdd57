"""The conversations that are recorded; a scene's docstring says what a client has to get right.

A scene gives back the items a client must show where the official engine would show others: it
keeps nothing of an unfinished answer, and loses widget updates on stored items.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Final, cast

from agents import RawResponsesStreamEvent, RunResultStreaming
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.errors import CustomStreamError
from chatkit.types import (
    CustomSummary,
    FileAttachment,
    LockedStatus,
    ThreadMetadata,
    ThreadStreamEvent,
    Workflow,
)
from transcript_events import (
    agent,
    citation,
    item_event,
    message,
    part_event,
    plain,
    spoken,
    states,
    text_part,
    update_event,
    url_citation,
    widget,
)
from transcript_stage import Json, Play, Scene

# -- messages ------------------------------------------------------------------------------------

_OPENING: Final[list[Json]] = [
    message("msg_answer", "in_progress"),
    spoken(
        "content_part.added",
        "msg_answer",
        part={"type": "output_text", "text": "", "annotations": []},
    ),
    spoken("output_text.delta", "msg_answer", delta="Parlour keeps "),
    spoken("output_text.delta", "msg_answer", delta="every answer."),
    spoken(
        "output_text.annotation.added",
        "msg_answer",
        annotation_index=0,
        annotation=url_citation("Stores", 0, 27),
    ),
    spoken("output_text.done", "msg_answer", text="Parlour keeps every answer."),
]


async def first_message(play: Play) -> None:
    """A first message makes a thread, and its answer streams in with a source."""
    final = {
        "type": "output_text",
        "text": "Parlour keeps every answer.",
        "annotations": [url_citation("Stores", 0, 27)],
    }
    await play.ask("What is kept?", agent(*_OPENING, message("msg_answer", "completed", final)))


async def part_done_keeps_annotations(play: Play) -> list[Json]:
    """content_part.done carries an empty annotations list; the sources shown before it stay. Here
    the model fails right after it."""

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        async for event in agent(*_OPENING)(play, thread):
            yield event
        raise RuntimeError("The model is gone.")

    await play.ask("What is kept?", script)
    answer = next(e["item"] for e in play.events if e["type"] == "thread.item.added")
    text = "Parlour keeps every answer."
    return [*await play.items(), answer | {"content": [text_part(text, citation("Stores", 27))]}]


async def padding(play: Play) -> list[Json]:
    """An update for a content part that was never announced makes it, and the ones before it."""
    await play.ask(
        "Anything?",
        plain(
            item_event("added", "msg_answer", "assistant_message", content=[]),
            part_event("msg_answer", "text_delta", 1, delta="Second"),
            part_event("msg_answer", "text_delta", 1, delta=" part"),
            part_event(
                "msg_answer",
                "annotation_added",
                2,
                annotation_index=0,
                annotation=citation("Third", 0),
            ),
            part_event("msg_answer", "done", 3, content=text_part("Fourth part")),
        ),
    )
    answer = next(e["item"] for e in play.events if e["type"] == "thread.item.added")
    parts = [text_part(), text_part("Second part"), text_part("", citation("Third", 0))]
    return [*await play.items(), answer | {"content": [*parts, text_part("Fourth part")]}]


async def annotations_at_their_index(play: Play) -> list[Json]:
    """An annotation goes to its annotation_index, past the end to the end; a done part that brings
    its own annotations replaces them."""
    cite = [citation(title, 4) for title in ("First", "Second", "Third")]
    places = [(0, cite[1]), (0, cite[0]), (9, cite[2])]
    await play.ask(
        "Sources?",
        plain(
            item_event("added", "msg_answer", "assistant_message", content=[]),
            part_event("msg_answer", "added", content=text_part("Text")),
            part_event("msg_answer", "added", 1, content=text_part("More", cite[2])),
            *(
                part_event("msg_answer", "annotation_added", annotation_index=at, annotation=each)
                for at, each in places
            ),
            part_event("msg_answer", "done", 1, content=text_part("More.", cite[0])),
        ),
    )
    answer = next(e["item"] for e in play.events if e["type"] == "thread.item.added")
    content = [text_part("Text", *cite), text_part("More.", cite[0])]
    return [*await play.items(), answer | {"content": content}]


async def user_message_parts(play: Play) -> None:
    """A user message comes back with its tags, attachments, quoted text and chosen model."""
    file = FileAttachment(
        id="atc_file", name="plan.pdf", mime_type="application/pdf", metadata={"secret": "path"}
    )
    play.store.attachments[file.id] = file
    tag = {"type": "input_tag", "id": "ada", "text": "@Ada", "data": {"role": "author"}}
    text = {"type": "input_text", "text": " wrote this?"}
    await play.ask(
        "",
        plain(),
        content=[tag | {"group": "People", "interactive": True}, text],
        attachments=[file.id],
        quoted_text="A passage\nof two lines",
        inference_options={"model": "small", "tool_choice": {"id": "search"}},
    )


async def two_turns(play: Play) -> None:
    """Messages keep the order in which they came, whatever their dates."""
    for number in (1, 2):
        item_id = f"msg_answer_{number}"
        content = [text_part(f"Antwort {number}: schön 👋🏽")]
        done = item_event("done", item_id, "assistant_message", content=content)
        await play.ask(f"Question {number}", plain(done))


# -- widgets -------------------------------------------------------------------------------------


async def widget_streaming_text(play: Play) -> None:
    """Text of a widget grows by deltas to the component with that id, however deep it lies."""

    def state(first: str, second: str) -> Json:
        inner = {"type": "Markdown", "id": "deep", "value": second, "streaming": False}
        return widget(
            [
                {"type": "Text", "id": "top", "value": first},
                {"type": "Row", "children": [{"type": "Col", "children": [inner]}]},
            ]
        )

    await play.ask(
        "Stream a card", states(state("", ""), state("Hel", "**"), state("Hello", "**b**"))
    )


async def widget_root_update(play: Play) -> None:
    """A widget whose shape changes is sent again as a whole; what this version doesn't know stays."""
    row = {"type": "Table.Row", "children": [{"type": "Table.Cell", "value": "1"}]}
    tables = [{"type": "Table", "border": {"size": 1}, "children": [row] * n} for n in (1, 2)]
    await play.ask("A table", states(*(widget([each], futureProp={"a": [1]}) for each in tables)))


async def widget_updates_on_a_stored_item(play: Play) -> list[Json]:
    """An action changes a widget that is done already: by its root, a component, and more text."""
    before = widget([{"type": "Text", "id": "state", "value": "open"}], id="card")
    await play.ask("A form", states(before))
    stored = next(item for item in await play.items() if item["type"] == "widget")
    log = {"type": "Markdown", "id": "log", "value": "Saved", "streaming": True}
    after = widget([{"type": "Text", "id": "state", "value": "saved"}, log], id="card")
    badge = {"type": "Badge", "id": "state", "label": "Saved"}
    growth = {"component_id": "log", "done": False}
    action = {"type": "save", "payload": {"id": "state"}}
    item_id = stored["id"]
    script = plain(
        update_event(item_id, "widget.root.updated", widget=after),
        update_event(item_id, "widget.component.updated", component_id="state", component=badge),
        update_event(item_id, "widget.streaming_text.value_delta", **growth, delta=" at"),
        update_event(
            item_id, "widget.streaming_text.value_delta", **growth | {"done": True}, delta=" noon"
        ),
        update_event(item_id, "widget.streaming_text.value_delta", **growth, delta="")
        | {"item_id": "msg_unknown"},
        update_event(item_id, "widget.component.updated", component_id="missing", component=badge),
    )
    await play.post("threads.custom_action", script, item_id=item_id, action=action)
    shown = log | {"value": "Saved at noon", "streaming": False}
    return [*(await play.items())[:1], stored | {"widget": after | {"children": [badge, shown]}}]


# -- workflows, images ---------------------------------------------------------------------------


async def workflow_custom(play: Play) -> None:
    """A workflow's tasks are added and updated by index; ending it adds a summary."""
    tasks: list[Json] = [
        {"type": "custom", "title": "Read", "icon": "search", "status_indicator": "loading"},
        {"type": "web_search", "title": "Look", "queries": ["parlour"]},
        {"type": "file", "sources": [{"type": "file", "title": "Plan", "filename": "plan.pdf"}]},
        {"type": "thought", "content": "Hm."},
        {"type": "image", "title": "Draw", "status_indicator": "complete"},
    ]

    parsed = Workflow.model_validate({"type": "custom", "tasks": tasks}).tasks
    first = parsed[0].model_copy(update={"status_indicator": "complete"})

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        context = AgentContext[None](thread=thread, store=play.store, request_context=None)

        async def steps() -> AsyncIterator[RawResponsesStreamEvent]:
            await context.start_workflow(Workflow(type="custom", tasks=[], expanded=True))
            for task in parsed:
                await context.add_workflow_task(task)
                await asyncio.sleep(0.01)  # the event must leave before the workflow grows again
            await context.update_workflow_task(first, 0)
            await asyncio.sleep(0.01)
            await context.end_workflow(CustomSummary(title="Five steps", icon="check-circle"))
            no_model: list[RawResponsesStreamEvent] = []
            for event in no_model:
                yield event

        run = cast(RunResultStreaming, SimpleNamespace(stream_events=steps))
        async for event in stream_agent_response(context, run):
            yield event

    await play.ask("Work", script)


async def workflow_reasoning(play: Play) -> None:
    """A model's reasoning is a workflow that closes by itself when the message begins."""
    place = {"item_id": "rs_1", "summary_index": 0}
    kind = "response.reasoning_summary_text"
    item = {"id": "rs_1", "type": "reasoning", "summary": []}
    await play.ask(
        "Think",
        agent(
            {"type": "response.output_item.added", "item": item},
            {"type": f"{kind}.delta", **place, "delta": "Let me"},
            {"type": f"{kind}.delta", **place, "delta": " see"},
            {"type": f"{kind}.done", **place, "text": "Let me see."},
            {"type": f"{kind}.done", **place, "summary_index": 1, "text": "Done."},
            *_OPENING,
            message("msg_answer", "completed", text_part("Parlour keeps every answer.")),
        ),
    )


async def workflow_task_places(play: Play) -> list[Json]:
    """A task index in the middle inserts, one past the end appends, for an update too."""

    def task(title: str) -> Json:
        return {"type": "custom", "title": title, "status_indicator": "none"}

    workflow = {"type": "custom", "tasks": [task("B")], "expanded": False}
    kind = "workflow.task"
    await play.ask(
        "Work",
        plain(
            item_event("added", "wf_plan", "workflow", workflow=workflow),
            update_event("wf_plan", f"{kind}.added", task_index=0, task=task("A")),
            update_event("wf_plan", f"{kind}.added", task_index=7, task=task("C")),
            update_event("wf_plan", f"{kind}.updated", task_index=1, task=task("B2")),
        ),
    )
    added = next(e["item"] for e in play.events if e["type"] == "thread.item.added")
    tasks = [task("A"), task("B2"), task("C")]
    return [*await play.items(), added | {"workflow": workflow | {"tasks": tasks}}]


async def generated_image(play: Play) -> None:
    """An image appears empty, then in part with progress, then final."""
    item = {"id": "ig_1", "type": "image_generation_call", "status": "generating", "result": None}
    place = {"type": "response.image_generation_call.partial_image", "item_id": "ig_1"}
    final = item | {"status": "completed", "result": "QUJD"}
    await play.ask(
        "Draw",
        agent(
            {"type": "response.output_item.added", "item": item},
            {**place, "partial_image_index": 0, "partial_image_b64": "QQ=="},
            {**place, "partial_image_index": 1, "partial_image_b64": "QUI="},
            {"type": "response.output_item.done", "item": final},
            images=2,
        ),
    )


async def generated_image_unfinished(play: Play) -> list[Json]:
    """An image that never got done shows its last part; its progress is not part of the item."""
    image = {"id": "ig_1", "url": "https://example.com/part.png"}
    await play.ask(
        "Draw",
        plain(
            item_event("added", "msg_image", "generated_image"),
            update_event("msg_image", "generated_image.updated", image=image, progress=0.5),
        ),
    )
    added = next(e["item"] for e in play.events if e["type"] == "thread.item.added")
    return [*await play.items(), added | {"image": image}]


# -- tools, forms, everything else ---------------------------------------------------------------


async def client_tool(play: Play) -> None:
    """A client tool call is pending; null inside its arguments is kept."""
    call = {"call_id": "call_1", "name": "get_selection", "arguments": {"a": 1, "b": None}}
    await play.ask("Use my page", plain(item_event("done", "tc_1", "client_tool_call", **call)))


async def structured_input(play: Play) -> None:
    """A form that was answered is replaced where it stands; skipped questions say so."""
    inputs = [
        {
            "type": "multiple_choice",
            "id": "p",
            "question": "Priority?",
            "options": [{"value": "Low"}, {"value": "High"}],
        },
        {"type": "freeform", "id": "n", "question": "Notes?", "description": "If any."},
    ]
    form = item_event("done", "msg_form", "structured_input", inputs=inputs)
    after = item_event("done", "msg_after", "assistant_message", content=[text_part("Please.")])
    thanks = item_event("done", "msg_thanks", "assistant_message", content=[text_part("Thanks.")])
    await play.ask("Order", plain(form, after))
    answer = {"status": "answered", "answers": {"p": {"values": ["High"]}}}
    await play.post("threads.add_structured_input", plain(thanks), item_id="msg_form", input=answer)


async def removed_and_replaced(play: Play) -> None:
    """A removed item is gone, a replaced one keeps its place, a repeated one is there once, and a
    replacement for something unknown is added."""

    def note(kind: str, item_id: str, text: str) -> Json:
        return item_event(kind, item_id, "assistant_message", content=[text_part(text)])

    await play.ask(
        "Change",
        plain(
            note("done", "msg_a", "A"),
            note("done", "msg_b", "B"),
            note("done", "msg_c", "C"),
            note("added", "msg_d", "half"),
            {"type": "thread.item.removed", "item_id": "msg_d"},
            {"type": "thread.item.removed", "item_id": "msg_b"},
            {"type": "thread.item.removed", "item_id": "msg_never_there"},
            note("replaced", "msg_a", "A2"),
            note("done", "msg_c", "C2"),
            note("replaced", "msg_e", "E"),
        ),
    )


async def standalone_items(play: Play) -> None:
    """Tasks on their own and the end of a turn are items like any other."""
    task = {"type": "web_search", "title_query": "parlour", "queries": [], "sources": []}
    await play.ask(
        "Rest",
        plain(
            item_event("done", "tsk_1", "task", task=task | {"status_indicator": "complete"}),
            item_event("done", "msg_end", "end_of_turn"),
        ),
    )


async def thread_updates(play: Play) -> None:
    """thread.updated brings a title and a status, and an items list that means nothing."""

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        done = item_event("done", "msg_a", "assistant_message", content=[text_part("A")])
        async for event in plain(done)(play, thread):
            thread.title = "A title"
            thread.metadata = {"secret": True}
            yield event
        thread.status = LockedStatus(reason="Closed for the night.")

    await play.ask("Title?", script)


async def transient_events(play: Play) -> None:
    """Progress, effects, notices and errors are shown or passed on, and are no items."""

    async def script(play: Play, thread: ThreadMetadata) -> AsyncIterator[ThreadStreamEvent]:
        transient = plain(
            {"type": "progress_update", "icon": "search", "text": "Searching"},
            {"type": "progress_update", "text": "Reading"},
            {"type": "client_effect", "name": "highlight", "data": {"id": 1, "none": None}},
            {"type": "notice", "level": "info", "message": "*Short* note"},
            {"type": "notice", "level": "warning", "message": "Careful", "title": "Limit"},
            {"type": "notice", "level": "danger", "message": "Stop"},
            {"type": "error", "code": "stream.error", "allow_retry": True},
            {"type": "stream_options", "stream_options": {"allow_cancel": False}},
        )
        async for event in transient(play, thread):
            yield event
        raise CustomStreamError("Out of credit", allow_retry=False)

    await play.ask("Noise", script)


SCENES: Final[dict[str, Scene]] = {
    scene.__name__: scene
    for scene in (
        first_message,
        part_done_keeps_annotations,
        padding,
        annotations_at_their_index,
        user_message_parts,
        two_turns,
        widget_streaming_text,
        widget_root_update,
        widget_updates_on_a_stored_item,
        workflow_custom,
        workflow_reasoning,
        workflow_task_places,
        generated_image,
        generated_image_unfinished,
        client_tool,
        structured_input,
        removed_and_replaced,
        standalone_items,
        thread_updates,
        transient_events,
    )
}
