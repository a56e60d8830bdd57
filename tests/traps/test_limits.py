"""Bounds: on what a visitor may send, on silence, and on what piles up."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import subprocess
import sys
import time
from types import ModuleType

import chatkit.logger
import chatkit.server
import pytest
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.types import (
    ProgressUpdateEvent,
    ThreadItemDoneEvent,
    ThreadMetadata,
    UserMessageItem,
)

from parlour.protocol import JsonObject, parse
from tests.hosted_servers.scripted import Context, ScriptedServer
from tests.hosted_servers.scripted import message as message_item
from tests.servers.client import message, thread_of
from tests.traps.engines import Engine, Events, left_unread, new_message, promise

TOO_MUCH: dict[str, JsonObject] = {
    "a long message": {"input": message("x" * 100_000)},
    "an empty message": {"input": message("")},
    "a quote of a book": {"input": message("hi", quoted_text="x" * 100_000)},
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_a_message_of_no_sensible_size_is_refused(engine: Engine, what: str) -> None:  # 3.35
    heard = engine.person().hear("threads.create", **TOO_MUCH[what])
    with engine.promise():
        assert heard.told


def test_an_upload_of_a_terabyte_is_refused(engine: Engine) -> None:  # 3.35
    given = {"name": "all.bin", "size": 10**12, "mime_type": "application/octet-stream"}
    response = engine.person().post("attachments.create", **given)
    with engine.promise():
        assert 400 <= response.status_code < 500


def test_an_attachment_a_hundred_times_is_one(engine: Engine) -> None:  # 3.35
    person = engine.person()
    if engine.official:
        given = {"name": "a.txt", "size": 3, "mime_type": "text/plain"}
        file = person.json("attachments.create", **given)["id"]
    else:
        file = person.http.post("/uploads", files={"file": ("a.txt", b"abc")}).json()["id"]
    heard = person.hear("threads.create", input=message("hi", attachments=[file] * 100))
    assert not heard.failed
    with engine.promise():
        assert len(heard.events[1]["item"]["attachments"]) == 1


@pytest.mark.parametrize("limit", [-1, 1_000_000])
def test_a_page_has_a_sensible_size_whatever_is_asked_for(engine: Engine, limit: int) -> None:
    # 3.35
    async def many(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for number in range(120):
            yield ThreadItemDoneEvent(
                item=message_item(thread, new_message(server, thread, ctx), str(number))
            )

    if engine.store is not None:
        engine.store.round_trip = 0
    engine.stage.script = many
    person = engine.person()
    thread = thread_of(person.say("go").events)
    with engine.promise():
        page = person.json("items.list", thread_id=thread, limit=limit)
        assert len(page["data"]) in (20, 100)
        assert page["has_more"]


def test_a_silent_answer_is_not_taken_for_a_dead_one(engine: Engine) -> None:  # 3.36
    async def silent(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        await asyncio.sleep(0.7)
        yield ProgressUpdateEvent(text="done")

    engine.stage.script = silent
    with engine.person().streaming("threads.create", input=message("go")) as stream:
        assert list(stream)[-1]["type"] == "progress_update"
    with engine.promise():
        assert stream.comments > 0


def test_a_reader_who_does_not_read_lets_nothing_pile_up(engine: Engine) -> None:  # 3.37
    waiting = engine.stage.seen

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        context: AgentContext[Context] = AgentContext(
            thread=thread, store=server.store, request_context=ctx
        )

        class Tool:
            """A run whose tool tells of its progress, in long words."""

            async def stream_events(self) -> Events:
                for _ in range(400):
                    await context.stream(ProgressUpdateEvent(text="x" * 30_000))
                    waiting.append(context._events.qsize())
                    await asyncio.sleep(0.001)
                return
                yield

        async for event in stream_agent_response(context, Tool()):  # type: ignore[arg-type]
            yield event

    engine.stage.script = respond
    with left_unread(engine, engine.person()):
        end = time.monotonic() + 30
        while len(waiting) < 400:
            assert time.monotonic() < end
            time.sleep(0.05)
    with engine.promise():
        assert max(waiting) < 50


@pytest.fixture(scope="module")
def imported() -> JsonObject:
    """What importing our app does to a fresh interpreter of somebody who sets LOG_LEVEL."""
    look = (
        "import json, logging, sys, parlour.app; print(json.dumps({"
        "'handlers': len(logging.getLogger('chatkit').handlers), 'modules': list(sys.modules)}))"
    )
    return parse(
        subprocess.run(
            [sys.executable, "-c", look],
            env={**os.environ, "LOG_LEVEL": "debug"},
            capture_output=True,
            check=True,
        ).stdout
    )


def test_the_sites_log_level_adds_no_handler(
    imported: JsonObject, official: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # 3.45
    handlers = imported["handlers"]
    if official:
        monkeypatch.setenv("LOG_LEVEL", "debug")
        monkeypatch.setattr(chatkit.logger.logger, "handlers", [])
        monkeypatch.setattr(chatkit.logger.logger, "level", logging.CRITICAL)
        importlib.reload(chatkit.logger)
        handlers = len(chatkit.logger.logger.handlers)
    with promise(official):
        assert handlers == 0


def test_no_models_sdk_is_imported_before_it_is_needed(
    imported: JsonObject, official: bool
) -> None:  # 3.46
    names = {name.partition(".")[0] for name in imported["modules"]}
    if official:
        held = [value for value in vars(chatkit.server).values() if isinstance(value, ModuleType)]
        names = {module.__name__.partition(".")[0] for module in held}
    with promise(official):
        assert {"openai", "agents", "uvicorn"}.isdisjoint(names)
