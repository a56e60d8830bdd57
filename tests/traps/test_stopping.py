"""Stopping: what was read is kept, and nothing goes on behind it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import datetime
from pathlib import Path

import pytest
from chatkit.server import StreamingResult
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    CustomTask,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    URLSource,
    UserMessageItem,
    WidgetItem,
    Workflow,
    WorkflowItem,
)

from parlour.protocol import JsonObject, encode
from parlour.stores.sqlite import SqliteStore
from tests.answer.conversation import conversation
from tests.hosted_servers.scripted import Context, ScriptedServer, delta, message
from tests.hosted_servers.widgets import card
from tests.servers.asking import CALLER, items, read, start
from tests.servers.client import message as question
from tests.servers.client import text_of, thread_of
from tests.traps.dying import talking
from tests.traps.engines import Engine, Events, Person, left_unread, new_message, promise, until
from tests.traps.official import OfficialStore

# Closing what the official engine leaves open is nobody's test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def stopped(person: Person, word: str) -> list[JsonObject]:
    """Reads an answer up to this word, and closes the connection."""
    with person.streaming("threads.create", input=question("go")) as stream:
        return until(stream, word)


def test_a_stop_keeps_what_was_read(engine: Engine) -> None:  # 3.1
    engine.stage.script = talking
    person = engine.person()
    seen = stopped(person, "w9 ")
    with engine.promise():
        engine.wait(lambda: len(person.texts(thread_of(seen))) == 2)
        assert person.texts(thread_of(seen))[1].startswith(text_of(seen))


def test_a_reader_who_had_stopped_reading_and_leaves_loses_nothing(engine: Engine) -> None:  # 3.16
    if engine.store is not None:
        engine.store.round_trip = 0  # a store that never waits would keep it, says trap 3.1
    wrote: list[int] = engine.stage.seen

    async def flooding(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        item_id = new_message(server, thread, ctx)
        yield ThreadItemAddedEvent(item=message(thread, item_id))
        for number in range(100):
            yield delta(item_id, f"w{number} " + "x" * 65536)
            wrote.append(number)

    engine.stage.script = flooding
    person = engine.person()
    with left_unread(engine, person):
        behind = 0
        while not wrote or len(wrote) > behind:  # until the server waits for the reader, or is done
            behind = len(wrote)
            time.sleep(0.2)
    thread = person.json("threads.list")["data"][0]["id"]
    with engine.promise():
        engine.wait(lambda: len(person.texts(thread)) == 2)
        assert person.texts(thread)[1].startswith("w0 ")


def test_a_citation_that_was_shown_survives_a_stop(engine: Engine) -> None:  # 3.15
    if engine.store is not None:
        engine.store.round_trip = 0
    source = URLSource(url="https://example.org", title="Docs")

    async def citing(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        item_id = new_message(server, thread, ctx)
        yield ThreadItemAddedEvent(item=message(thread, item_id))
        yield delta(item_id, "Said. ")
        for update in (
            AssistantMessageContentPartAnnotationAdded(
                content_index=0, annotation_index=0, annotation=Annotation(source=source, index=5)
            ),
            # As the SDK words the end of every part, whatever it has announced.
            AssistantMessageContentPartDone(
                content_index=0, content=AssistantMessageContent(text="Said. ", annotations=[])
            ),
        ):
            yield ThreadItemUpdatedEvent(item_id=item_id, update=update)
        await asyncio.sleep(20)

    engine.stage.script = citing
    person = engine.person()
    thread = thread_of(stopped(person, "part.done"))

    def kept() -> list[JsonObject]:
        return [item for item in person.items(thread) if item["type"] == "assistant_message"]

    engine.wait(lambda: bool(kept()))
    with engine.promise():
        assert len(kept()[0]["content"][0]["annotations"]) == 1


@pytest.mark.parametrize("kind", ["widget", "workflow"])
def test_a_stop_keeps_a_widget_and_a_workflow_that_were_shown(
    engine: Engine, kind: str
) -> None:  # 3.17
    if engine.store is not None:
        engine.store.round_trip = 0

    async def showing(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        common = {"id": "shown", "thread_id": thread.id, "created_at": datetime.now()}
        tasks = [CustomTask(title="Search")]
        yield ThreadItemAddedEvent(
            item=WidgetItem(widget=card("Hi"), **common)
            if kind == "widget"
            else WorkflowItem(workflow=Workflow(type="custom", tasks=tasks), **common)
        )
        await asyncio.sleep(20)

    engine.stage.script = showing
    person = engine.person()
    thread = thread_of(stopped(person, "shown"))
    with engine.promise():
        engine.wait(lambda: kind in person.kinds(thread))


async def test_an_item_that_was_being_stored_at_the_stop_is_there_once(
    tmp_path: Path, official: bool
) -> None:  # 3.24
    storing = asyncio.Event()

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        yield ThreadItemAddedEvent(item=message(thread, "m1"))
        yield delta("m1", "One.")
        storing.set()
        yield ThreadItemDoneEvent(item=message(thread, "m1", "One."))

    if official:
        ids = await stopped_by_a_plain_cancel(ScriptedServer(respond), tmp_path, storing)
    else:
        ids = await stopped_while_another_writes(ScriptedServer(respond), tmp_path, storing)
    with promise(official):
        assert ids.count("m1") == 1


async def stopped_by_a_plain_cancel(
    server: ScriptedServer, home: Path, storing: asyncio.Event
) -> list[str]:
    server.store = store = OfficialStore(home / "chat.db")
    store.appends()

    async def process() -> None:
        body = encode({"type": "threads.create", "params": {"input": question("go")}})
        result = await server.process(body, {"user_id": "ada"})
        assert isinstance(result, StreamingResult)
        async for _ in result:
            pass

    task = asyncio.create_task(process())
    await storing.wait()
    while "m1" not in (ids := [row[0] for row in store.fetch("SELECT id FROM items")]):  # noqa: ASYNC110
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    ids = [row[0] for row in store.fetch("SELECT id FROM items")]
    store.close()
    return ids


async def stopped_while_another_writes(
    server: ScriptedServer, home: Path, storing: asyncio.Event
) -> list[str]:
    store = SqliteStore.from_spec(f"sqlite:///{home / 'chat.db'}")
    async with conversation(server, home, store) as chat:
        other = sqlite3.connect(home / "chat.db", isolation_level=None)
        turn = await start(chat.engine, "threads.create", input=question("go"))
        await storing.wait()
        other.execute("BEGIN IMMEDIATE")
        await chat.engine.stop(CALLER.owner, turn)
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        other.close()
        thread = (await read(chat.engine, turn))[0]["thread"]["id"]
        return [item["id"] for item in await items(chat.engine, thread)]
