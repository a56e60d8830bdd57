"""What was shown or changed is there after a reload, whatever went wrong in between."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chatkit.server import stream_widget
from chatkit.types import (
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    UserMessageItem,
    WidgetItem,
    WidgetRootUpdated,
)
from chatkit.widgets import DynamicWidgetRoot, WidgetRoot

from parlour.app import create_app
from parlour.protocol import JsonObject
from parlour.settings import Settings
from tests.hosted_servers.scripted import Context, ScriptedServer, delta, message
from tests.hosted_servers.widgets import card
from tests.servers.client import message as question
from tests.servers.client import thread_of
from tests.servers.process import free_port
from tests.servers.serving import serving
from tests.traps.engines import Engine, Events, Person, Stage, new_message, until
from tests.traps.official import OfficialStore, official_app

ACTION = {"type": "press", "payload": {}}


async def showing_a_widget(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
) -> Events:
    async for event in stream_widget(thread, card("before")):
        yield event


def widget_of(person: Person, thread: str) -> JsonObject:
    """The thread's last item, after a reload."""
    item = person.items(thread)[-1]
    assert item["type"] == "widget"
    return item


async def breaking(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
) -> Events:
    item_id = new_message(server, thread, ctx)
    yield ThreadItemAddedEvent(item=message(thread, item_id))
    yield delta(item_id, "Half an ans")
    raise RuntimeError("the model has gone away")


def test_a_failure_in_mid_answer_keeps_what_was_read(engine: Engine) -> None:  # 3.4
    engine.stage.script = breaking
    person = engine.person()
    heard = person.say("go")
    assert heard.events[-1] == {"type": "error", "code": "stream.error", "allow_retry": True} or (
        not engine.official
    )
    with engine.promise():
        assert "Half an ans" in person.texts(thread_of(heard.events))


def test_a_widget_keeps_every_property_over_a_reload(engine: Engine) -> None:  # 3.11
    engine.stage.script = showing_a_widget
    person = engine.person()
    heard = person.say("go")
    streamed = heard.events[-1]["item"]
    assert streamed["widget"]["border"] == {"size": 2, "color": "strong"}
    with engine.promise():
        assert widget_of(person, thread_of(heard.events)) == streamed


def test_a_change_to_a_stored_widget_is_stored(engine: Engine) -> None:  # 3.13
    async def act(
        stage: Stage, thread: ThreadMetadata, sender: WidgetItem, context: Context
    ) -> Events:
        yield ThreadItemUpdatedEvent(
            item_id=sender.id, update=WidgetRootUpdated(widget=card("after"))
        )

    engine.stage.script, engine.stage.act = showing_a_widget, act
    person = engine.person()
    thread = thread_of(person.say("go").events)
    sender = widget_of(person, thread)["id"]
    heard = person.hear("threads.custom_action", thread_id=thread, item_id=sender, action=ACTION)
    assert heard.events[-1]["update"]["widget"]["children"][0]["value"] == "after"
    with engine.promise():
        assert widget_of(person, thread)["widget"]["children"][0]["value"] == "after"


def test_what_a_synchronous_action_gives_back_is_stored(engine: Engine) -> None:  # 3.14
    def sync(sender: WidgetItem) -> WidgetItem:
        return sender.model_copy(update={"copy_text": "after"})

    engine.stage.script, engine.stage.sync = showing_a_widget, sync
    person = engine.person()
    thread = thread_of(person.say("go").events)
    sender = widget_of(person, thread)["id"]
    given = person.json(
        "threads.sync_custom_action", thread_id=thread, item_id=sender, action=ACTION
    )
    assert given["updated_item"]["copy_text"] == "after"
    with engine.promise():
        assert widget_of(person, thread).get("copy_text") == "after"


def test_a_rename_in_mid_answer_stays(engine: Engine) -> None:  # 3.18
    async def renamed_meanwhile(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        yield ProgressUpdateEvent(text="…")
        thread.metadata["topic"] = "weather"
        await asyncio.to_thread(person.json, "threads.update", thread_id=thread.id, title="Mine")
        yield ProgressUpdateEvent(text="…")

    engine.stage.script = renamed_meanwhile
    person = engine.person()
    thread = thread_of(person.say("go").events)
    with engine.promise():
        assert person.json("threads.get_by_id", thread_id=thread).get("title") == "Mine"


def test_a_retry_that_fails_leaves_the_old_answer(engine: Engine) -> None:  # 3.30
    async def failing(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        raise RuntimeError("no model")
        yield

    person = engine.person()
    thread = thread_of(person.say("go").events)
    asked = person.items(thread)[0]["id"]
    engine.stage.script = failing
    assert person.hear("threads.retry_after_item", thread_id=thread, item_id=asked).told
    with engine.promise():
        assert "Hello there." in person.texts(thread)


def test_a_widget_whose_streaming_breaks_stays_as_it_was_shown(engine: Engine) -> None:  # 3.39
    def grown(**children: str) -> DynamicWidgetRoot:
        parts = [{"type": "Text", "id": key, "value": text} for key, text in children.items()]
        return DynamicWidgetRoot.model_validate({"type": "Card", "children": parts})

    async def states() -> AsyncGenerator[WidgetRoot, None]:
        yield grown(a="One")
        yield grown(a="One two")
        raise ValueError("as the SDK's own comparison of two states does")

    async def showing(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        async for event in stream_widget(thread, states()):
            yield event

    engine.stage.script = showing
    person = engine.person()
    heard = person.say("go")
    assert heard.told
    with engine.promise():
        shown = [item for item in person.items(thread_of(heard.events)) if item["type"] == "widget"]
        assert [item["widget"]["children"][0]["value"] for item in shown] == ["One two"]


def test_kill_9_in_mid_answer_keeps_what_was_read(official: bool, tmp_path: Path) -> None:  # 3.3
    name, port = "official" if official else "parlour", free_port()
    command = [sys.executable, "-m", "tests.traps.dying", name, str(tmp_path), str(port)]
    process = subprocess.Popen(command)
    engine = Engine(f"http://127.0.0.1:{port}", Stage(), official_store(official, tmp_path))
    try:
        wait_for(port)
        person = engine.person()
        with person.streaming("threads.create", input=question("go")) as stream:
            thread = thread_of(until(stream, "w0 "))
            until(stream, "w120 ")  # what was read half a second ago has long been on disk
            process.kill()
    finally:
        process.kill()
        process.wait()
    with restarted(engine, tmp_path) as url:
        person.http.base_url = url
        with engine.promise():
            engine.wait(lambda: len(person.texts(thread)) == 2)
            assert "w0 w1 w2 " in person.texts(thread)[1]
    engine.left()


def official_store(official: bool, home: Path) -> OfficialStore | None:
    return OfficialStore(home / "chat.db") if official else None


def wait_for(port: int) -> None:
    """Returns when the server answers."""
    end = time.monotonic() + 60
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.1)


@contextmanager
def restarted(engine: Engine, home: Path) -> Iterator[str]:
    """Another server on what the dead one has left."""
    if engine.store is None:
        with serving(create_app(Settings(home=home), server=Stage())) as url:
            yield url
        return
    stage = Stage()
    stage.store = engine.store
    with serving(official_app(stage)) as url:
        yield url
    engine.store.close()
