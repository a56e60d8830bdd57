"""What goes wrong is told, in words the client knows, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.server import StreamingResult
from chatkit.types import LockedStatus, ProgressUpdateEvent, ThreadMetadata, UserMessageItem

from parlour.protocol import JsonObject, encode
from tests.answer.conversation import conversation
from tests.hosted_servers.scripted import Context, ScriptedServer
from tests.servers.client import message, thread_of
from tests.traps.engines import Engine, Events, promise
from tests.traps.official import OfficialStore


def test_a_message_with_an_unknown_attachment_is_refused_and_leaves_no_thread(
    engine: Engine,
) -> None:  # 3.29
    person = engine.person()
    heard = person.hear("threads.create", input=message("go", attachments=["atc_never"]))
    assert heard.failed
    with engine.promise():
        assert heard.told
    with engine.promise():
        assert person.json("threads.list")["data"] == []


@pytest.mark.parametrize("kind", ["add_user_message", "retry_after_item", "add_client_tool_output"])
def test_a_turn_that_cannot_begin_is_told(engine: Engine, kind: str) -> None:  # 3.33
    person = engine.person()
    thread = thread_of(person.say("go").events)
    params: dict[str, JsonObject] = {
        "add_user_message": {"thread_id": "thr_never", "input": message("hi")},
        "retry_after_item": {"thread_id": thread, "item_id": "msg_never"},
        "add_client_tool_output": {"thread_id": thread, "result": {}},
    }
    with engine.promise():
        assert person.hear(f"threads.{kind}", **params[kind]).told


@pytest.mark.parametrize(
    "body", ["{}", '{"type": "threads.nonsense"}', "[", '{"type": "threads.get_by_id"}']
)
def test_a_request_that_cannot_be_read_is_the_clients_fault(engine: Engine, body: str) -> None:
    # 3.34
    response = engine.person().http.post("/chatkit", content=body)
    with engine.promise():
        assert response.status_code == 400
        assert set(response.json()["error"]) == {"code", "message", "hint"}


def test_a_locked_thread_takes_no_message(engine: Engine) -> None:  # 3.47
    async def locking(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        thread.status = LockedStatus(reason="full")
        yield ProgressUpdateEvent(text="…")

    engine.stage.script = locking
    person = engine.person()
    thread = thread_of(person.say("go").events)
    assert person.json("threads.get_by_id", thread_id=thread)["status"]["type"] == "locked"
    heard = person.say("more", thread)
    with engine.promise():
        assert heard.told
        assert len(person.kinds(thread)) == 1


def test_a_thumb_for_nothing_is_refused(engine: Engine) -> None:  # 3.47
    person = engine.person()
    given = {"thread_id": "thr_never", "item_ids": ["msg_never"], "kind": "positive"}
    response = person.post("items.feedback", **given)
    with engine.promise():
        assert response.status_code == 404
        assert engine.stage.thumbs == 0


async def test_an_answer_that_fails_leaves_no_task_behind(tmp_path: Path, official: bool) -> None:
    # 3.38
    class Failing:
        async def stream_events(self) -> Events:
            raise RuntimeError("the model has gone away")
            yield

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        context: AgentContext[Context] = AgentContext(
            thread=thread, store=server.store, request_context=ctx
        )
        async for event in stream_agent_response(context, Failing()):  # type: ignore[arg-type]
            yield event

    lost: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: lost.append(told["message"]))
    before = asyncio.all_tasks()
    if official:
        server = ScriptedServer(respond)
        server.store = store = OfficialStore(tmp_path / "chat.db")
        body = encode({"type": "threads.create", "params": {"input": message("go")}})
        result = await server.process(body, {"user_id": "ada"})
        assert isinstance(result, StreamingResult)
        said = [event async for event in result]
        assert b'"error"' in said[-1]
        store.close()
        del result
        gc.collect()
        lost += [str(task) for task in asyncio.all_tasks() - before]
    else:
        async with conversation(ScriptedServer(respond), tmp_path) as chat:
            await chat.say("go")
            assert "error" in chat.types()
        gc.collect()
        lost += [str(task) for task in asyncio.all_tasks() - before]
    with promise(official):
        assert lost == []
