"""Ids, order and times: nothing is taken for something else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from chatkit.agents import AgentContext, ClientToolCall, stream_agent_response
from chatkit.types import (
    ClientToolCallItem,
    CustomTask,
    HiddenContextItem,
    ThoughtTask,
    ThreadItemDoneEvent,
    ThreadMetadata,
    UserMessageItem,
    Workflow,
    WorkflowItem,
)

from parlour.chat.reduce import apply_event
from parlour.protocol import JsonObject
from tests.hosted_servers.scripted import Context, ScriptedServer, message, spoken
from tests.servers.client import thread_of
from tests.traps.engines import Engine, Events, new_message


class Run:
    """An agent's run in which the model begins messages of these ids, and says nothing more."""

    def __init__(self, *messages: str) -> None:
        self.messages = messages

    async def stream_events(self) -> AsyncIterator[Any]:
        for item_id in self.messages:
            for kind in ("added", "done"):
                item = SimpleNamespace(type="message", id=item_id, content=[])
                data = SimpleNamespace(type=f"response.output_item.{kind}", item=item)
                yield SimpleNamespace(type="raw_response_event", data=data)


def agent_context(
    server: ScriptedServer, thread: ThreadMetadata, context: Context
) -> AgentContext[Context]:
    return AgentContext(thread=thread, store=server.store, request_context=context)


def test_ids_cannot_be_guessed_and_do_not_come_twice(engine: Engine) -> None:  # 3.23
    events = engine.person().say("go").events
    ids = {thread_of(events), *(event["item"]["id"] for event in events if "item" in event)}
    assert len(ids) == 3
    with engine.promise():
        assert all(re.fullmatch("[a-z]+_[0-9a-f]{32}", one) for one in ids)


def test_items_of_one_moment_come_once_each_over_all_pages(engine: Engine) -> None:  # 3.19
    moment = datetime.now()

    async def many(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for number in range(30):
            item = message(thread, new_message(server, thread, ctx), str(number))
            item.created_at = moment
            yield ThreadItemDoneEvent(item=item)

    engine.stage.script = many
    person = engine.person()
    thread = thread_of(person.say("go").events)
    first = person.json("items.list", thread_id=thread, order="asc", limit=20)
    rest = person.json("items.list", thread_id=thread, order="asc", limit=20, after=first["after"])
    found = [item for item in first["data"] + rest["data"] if item["type"] == "assistant_message"]
    with engine.promise():
        assert [item["content"][0]["text"] for item in found] == [str(n) for n in range(30)]


async def noting(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
) -> Events:
    """A tool of the page's, and a note behind its call."""
    if asked is None:
        async for event in spoken(thread, new_message(server, thread, ctx), "Thanks."):
            yield event
        return
    yield ThreadItemDoneEvent(
        item=ClientToolCallItem(
            id=server.store.generate_item_id("tool_call", thread, ctx),
            thread_id=thread.id,
            created_at=datetime.now(),
            call_id="call_1",
            name="get_selection",
            arguments={},
        )
    )
    yield ThreadItemDoneEvent(
        item=HiddenContextItem(
            id=new_message(server, thread, ctx),
            thread_id=thread.id,
            created_at=datetime.now(),
            content="a note",
        )
    )


def test_a_tools_output_finds_its_call_behind_a_hidden_note(engine: Engine) -> None:  # 3.27
    engine.stage.script = noting
    person = engine.person()
    thread = thread_of(person.say("go").events)
    heard = person.hear("threads.add_client_tool_output", thread_id=thread, result={"sel": 1})
    with engine.promise():
        assert not heard.failed
        assert person.items(thread)[1]["status"] == "completed"


async def working(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
) -> Events:
    """A workflow that one turn leaves open and the next one ends, by the SDK's own means."""
    context = agent_context(server, thread, ctx)
    run = Run()
    if asked is not None:
        context.client_tool_call = ClientToolCall(name="show_map", arguments={})
        context.workflow_item = WorkflowItem(
            id=context.generate_id("workflow"),
            thread_id=thread.id,
            created_at=datetime.now(),
            workflow=Workflow(type="reasoning", tasks=[ThoughtTask(content="Where?")]),
        )
    else:
        run = Run(new_message(server, thread, ctx))
    async for event in stream_agent_response(context, run):  # type: ignore[arg-type]
        yield event


@pytest.mark.parametrize("database", ["keys", "aware_times"])
def test_a_workflow_that_goes_on_in_the_next_turn_ends_there(
    engine: Engine, database: str
) -> None:  # 3.7, 3.32
    if engine.store is not None:
        # Each alone is enough: an id that must not come twice, or times with an offset.
        engine.store.aware = engine.store.upserts = database == "aware_times"
    engine.stage.script = working
    person = engine.person()
    thread = thread_of(person.say("go").events)
    assert person.kinds(thread) == ["user_message", "workflow", "client_tool_call"]
    heard = person.hear("threads.add_client_tool_output", thread_id=thread, result={})
    with engine.promise():
        assert not heard.failed
        workflow = next(item for item in person.items(thread) if item["type"] == "workflow")
        assert workflow["workflow"]["summary"] == {"duration": 0}


def test_equal_tasks_of_a_workflow_are_shown_in_their_order(engine: Engine) -> None:  # 3.28
    async def tasks(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        context = agent_context(server, thread, ctx)

        class Searching(Run):
            """A run whose tool says what it does."""

            async def stream_events(self) -> AsyncIterator[Any]:
                for title in ("Search", "Read", "Search"):
                    await context.add_workflow_task(CustomTask(title=title))
                    await asyncio.sleep(0.02)
                return
                yield

        async for event in stream_agent_response(context, Searching()):  # type: ignore[arg-type]
            yield event

    engine.stage.script = tasks
    shown: list[JsonObject] = []
    for event in engine.person().say("go").events:
        apply_event(shown, event)
    with engine.promise():
        titles = [task["title"] for task in shown[-1]["workflow"]["tasks"]]
        assert titles == ["Search", "Read", "Search"]


def test_times_have_an_offset(engine: Engine) -> None:  # 3.31
    events = engine.person().say("go").events
    times = [event["item"]["created_at"] for event in events if "item" in event]
    times.append(events[0]["thread"]["created_at"])
    with engine.promise():
        assert all(datetime.fromisoformat(time).utcoffset() is not None for time in times)
