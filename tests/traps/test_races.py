"""The same at once, the same again, and one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chatkit.server import StreamingResult
from chatkit.types import ProgressUpdateEvent, ThreadMetadata, UserMessageItem

from parlour.protocol import encode, parse
from tests.answer.conversation import conversation
from tests.hosted_servers.scripted import Context, ScriptedServer, spoken
from tests.servers.asking import CALLER, start
from tests.servers.client import message, thread_of
from tests.traps.engines import Engine, Events, hello, new_message, promise
from tests.traps.official import OfficialStore


async def slowly(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
) -> Events:
    async for event in spoken(thread, new_message(server, thread, ctx), "One ", "two."):
        await asyncio.sleep(0.05)
        yield event


def test_the_same_key_twice_is_one_turn(engine: Engine) -> None:  # 3.25
    person = engine.person()
    for _ in range(2):
        person.hear("threads.create", {"Idempotency-Key": "once"}, input=message("go"))
    with engine.promise():
        assert len(person.json("threads.list")["data"]) == 1


def test_two_messages_at_once_are_answered_one_after_the_other(engine: Engine) -> None:  # 3.26
    engine.stage.script = slowly
    person = engine.person()
    thread = thread_of(person.say("go").events)
    with ThreadPoolExecutor(2) as both:
        heard = list(both.map(lambda text: person.say(text, thread), ["one", "two"]))
    assert not any(each.failed for each in heard)
    with engine.promise():
        assert person.kinds(thread) == ["user_message", "assistant_message"] * 3


def test_quick_changes_of_a_thread_are_few_writes(engine: Engine) -> None:  # 3.41
    async def changing(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for number in range(100):
            thread.metadata["step"] = number
            yield ProgressUpdateEvent(text=str(number))

    engine.stage.script = changing
    heard = engine.person().say("go")
    kinds = [event["type"] for event in heard.events]
    assert kinds.count("progress_update") == 100
    with engine.promise():
        assert kinds.count("thread.updated") < 10


async def test_an_answer_may_be_read_from_one_context_after_another(
    tmp_path: Path, official: bool
) -> None:  # 3.10
    """As a bridge to WSGI does, which drives the stream one event at a time."""
    asked = {"type": "threads.create", "params": {"input": message("go")}}
    if official:
        server = ScriptedServer(hello)
        server.store = store = OfficialStore(tmp_path / "chat.db")
        result = await server.process(encode(asked), {"user_id": "ada"})
        assert isinstance(result, StreamingResult)
        events = [parse(line.removeprefix(b"data: ")) async for line in bridged(result)]
        store.close()
    else:
        async with conversation(ScriptedServer(hello), tmp_path) as chat:
            turn = await start(chat.engine, "threads.create", input=message("go"))
            batches = bridged(chat.engine.read(CALLER.owner, turn))
            events = [
                parse(entry.data) if hasattr(entry, "data") else {"type": "text"}
                async for batch in batches
                for entry in batch
            ]
    with promise(official):
        assert "error" not in [event["type"] for event in events]


async def bridged(stream: Any) -> AsyncIterator[Any]:  # noqa: ANN401
    """Each step in a task of its own, and so in a context of its own."""
    steps = aiter(stream)
    while True:
        try:
            yield await asyncio.create_task(anext(steps))
        except StopAsyncIteration:
            return
