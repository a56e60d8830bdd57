"""Stopping a hosted server ends everything its turn has started, and nothing else."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chatkit.types import (
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)

from parlour.answer.hosted_run import Relay
from tests.answer.conversation import conversation
from tests.hosted_servers.scripted import Context, ScriptedServer, delta, message

Events = AsyncIterator[ThreadStreamEvent]
variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


async def forever(relay: Relay[str]) -> None:
    await asyncio.Event().wait()


async def test_closing_ends_tasks_however_deep_they_were_started() -> None:
    ended: list[str] = []

    async def deep(name: str) -> None:
        try:
            if name != "leaf":
                task = asyncio.create_task(deep("leaf" if name == "inner" else "inner"))
                await asyncio.shield(task)
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def work(relay: Relay[str]) -> None:
        orphan = asyncio.create_task(deep("outer"))
        relay.push("started")
        await asyncio.Event().wait()
        await orphan

    relay = Relay(work)
    assert await relay.take() == ["started"]
    await asyncio.sleep(0.01)
    await relay.close()
    assert sorted(ended) == ["inner", "leaf", "outer"]


async def test_closing_leaves_the_tasks_of_others_alone() -> None:
    before = asyncio.create_task(asyncio.sleep(60))
    outlives: list[asyncio.Task[None]] = []

    async def work(relay: Relay[str]) -> None:
        own = contextvars.Context()
        outlives.append(asyncio.create_task(asyncio.sleep(60), context=own))
        relay.push("started")
        await asyncio.Event().wait()

    relay, other = Relay(work), Relay(forever)
    await relay.take()
    await relay.close()
    assert not before.done()
    assert not outlives[0].done()
    assert not other._main.done()
    before.cancel()
    outlives[0].cancel()
    await other.close()


async def test_what_is_about_to_finish_may() -> None:
    saved: list[str] = []

    async def save() -> None:
        await asyncio.sleep(0.02)
        saved.append("saved")

    async def work(relay: Relay[str]) -> None:
        relay.push("started")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.shield(asyncio.create_task(save()))

    relay = Relay(work)
    await relay.take()
    await relay.close()
    assert saved == ["saved"]


async def test_work_that_ended_well_keeps_what_it_left_running() -> None:
    done = asyncio.Event()

    async def later() -> None:
        await asyncio.sleep(0.02)
        done.set()

    tasks: list[asyncio.Task[None]] = []

    async def work(relay: Relay[str]) -> None:
        tasks.append(asyncio.create_task(later()))

    relay = Relay(work)
    assert await relay.take() == []
    relay.check()
    await relay.close()
    await asyncio.wait_for(done.wait(), 1)


async def test_closing_before_the_work_has_begun_is_silent() -> None:
    relay = Relay(forever)
    await relay.close()
    with pytest.raises(RuntimeError):
        relay.check()


async def test_the_writer_waits_for_a_reader_that_is_behind() -> None:
    pushed = 0

    async def work(relay: Relay[int]) -> None:
        nonlocal pushed
        for number in range(1000):
            relay.push(number)
            pushed += 1
            if relay.full:
                await relay.drained()

    relay = Relay(work)
    got: list[int] = []
    while batch := await relay.take():
        got.extend(batch)
        await asyncio.sleep(0)
        assert pushed - len(got) <= 256
    assert got == list(range(1000))


async def test_a_server_is_run_in_one_context_from_first_to_last(tmp_path: Path) -> None:
    seen: list[int] = []

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        token = variable.set(1)
        for _ in range(300):
            yield ProgressUpdateEvent(text="…")
            seen.append(variable.get())
        variable.reset(token)

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        assert "error" not in chat.types()
    assert seen == [1] * 300
    assert variable.get() == 0


async def test_stop_lets_the_server_clean_up_and_keeps_the_text(tmp_path: Path) -> None:
    cleaned: list[str] = []

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        try:
            yield ThreadItemAddedEvent(item=message(thread, "msg_1"))
            while True:
                yield delta("msg_1", "word ")
                await asyncio.sleep(0.001)
        finally:
            await server.store.load_thread(thread.id, ctx)
            cleaned.append("cleaned")

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one", lambda event: event["type"] == "thread.item.updated")
        assert cleaned == ["cleaned"]
        assert (await chat.items())[1]["content"][0]["text"].startswith("word ")


async def test_deltas_that_wait_together_leave_together(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        yield ThreadItemAddedEvent(item=message(thread, "msg_1"))
        for number in range(1000):
            yield delta("msg_1", f"{number} ")

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        whole = "".join(f"{number} " for number in range(1000))
        assert (await chat.items())[1]["content"][0]["text"] == whole
        assert chat.types().count("thread.item.updated") < 20
