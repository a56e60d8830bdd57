"""What a dead server left is ended by another, and what a living one does is left alone."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from parlour.chat.events import user_message
from parlour.chat.recovery import HERE, Recovery, server_name
from parlour.protocol import JsonObject, new_id, now, timestamp
from parlour.stores.base import Thread, TurnRecord
from parlour.stores.sqlite import SqliteStore
from tests.chat.conftest import Opened
from tests.servers.answerers import Scripted, say
from tests.servers.asking import CALLER, ask, first, items, read
from tests.servers.client import message

OWNER = CALLER.owner
NOBODY = 2**22 + 1
"""A process id that Linux never gives."""


def answer(text: str) -> JsonObject:
    return {
        "id": new_id("message"),
        "thread_id": "",
        "created_at": timestamp(),
        "type": "assistant_message",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


async def left_behind(store: SqliteStore, server: str, pending: list[JsonObject]) -> TurnRecord:
    """A thread with a question, and the turn that was answering it, an hour ago by its clock."""
    thread = Thread(new_id("thread"), now())
    turn = TurnRecord(new_id("turn"), OWNER, thread.id, server, now() - timedelta(hours=1))
    await store.begin_turn(turn)
    await store.add_thread(OWNER, thread)
    await store.add_item(OWNER, thread.id, user_message(thread.id, message("hi"), []))
    await store.journal(OWNER, turn.id, pending)
    return turn


async def last_of(store: SqliteStore, turn: TurnRecord) -> str:
    page = await store.list_items(OWNER, turn.thread_id, limit=1)
    return page.data[0].data


@pytest.fixture
async def store(tmp_path: Path) -> SqliteStore:
    store = SqliteStore.from_spec(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    return store


async def test_a_dead_process_of_this_host_is_replaced_at_once(store: SqliteStore) -> None:  # 72
    turn = await left_behind(store, f"{HERE}|{NOBODY}|x", [answer("so far")])
    await Recovery(store, server_name(), ()).recover()
    assert '"interrupted"' in await last_of(store, turn)
    assert await store.running_turns() == []
    await store.close()


async def test_a_question_is_kept_though_the_server_died_before_storing_it(
    store: SqliteStore,
) -> None:  # 72
    thread = Thread(new_id("thread"), now())
    question = user_message(thread.id, message("hi"), [])
    dead = f"{HERE}|{NOBODY}|x"
    turn = TurnRecord(new_id("turn"), OWNER, thread.id, dead, now(), "key", pending=[question])
    await store.begin_turn(turn)
    await Recovery(store, server_name(), ()).recover()
    page = await store.list_items(OWNER, thread.id, limit=10, order="asc")
    assert [item.type for item in page.data] == ["user_message", "task"]
    assert page.data[0].id == question["id"]
    assert '"interrupted"' in page.data[1].data
    assert await store.running_turns() == []
    await store.close()


@pytest.mark.parametrize("host", [HERE, "elsewhere"])
async def test_a_living_server_is_left_alone_whatever_its_clock_says(
    store: SqliteStore, host: str
) -> None:  # 72
    living = f"{host}|{os.getppid()}|x"
    turn = await left_behind(store, living, [answer("so far")])
    recovery = Recovery(store, server_name(), (), lease=0.3)
    for _ in range(5):
        await recovery.recover()
        await asyncio.sleep(0.1)
        await store.beat(living)
    assert [each.id for each in await store.running_turns()] == [turn.id]
    await store.close()


@pytest.mark.parametrize("pid", [os.getpid(), NOBODY], ids=["ours", "nobodys"])
async def test_a_namesake_of_this_host_is_not_taken_for_dead(
    store: SqliteStore, pid: int
) -> None:  # 72
    namesake = f"{socket.gethostname()}/elsewhere|{pid}|x"
    turn = await left_behind(store, namesake, [answer("so far")])
    await Recovery(store, server_name(), ()).recover()
    assert [each.id for each in await store.running_turns()] == [turn.id]
    await store.close()


async def test_a_server_that_falls_silent_is_replaced_after_the_lease(store: SqliteStore) -> None:
    # 72
    turn = await left_behind(store, "elsewhere|1|x", [answer("so far")])
    recovery = Recovery(store, server_name(), (), lease=0.2)
    await recovery.recover()
    assert [each.id for each in await store.running_turns()] == [turn.id]
    await asyncio.sleep(0.3)
    await recovery.recover()
    assert await store.running_turns() == []
    assert '"interrupted"' in await last_of(store, turn)
    await store.close()


async def test_a_turn_of_ours_that_could_not_be_ended_is_ended_later(store: SqliteStore) -> None:
    ours = server_name()
    lost = await left_behind(store, ours, [answer("so far")])
    runs = await left_behind(store, ours, [])
    recovery = Recovery(store, ours, [runs.id], lease=0.2)
    await recovery.recover()
    await store.beat(ours)
    await asyncio.sleep(0.3)
    await recovery.recover()
    assert [each.id for each in await store.running_turns()] == [runs.id]
    assert '"interrupted"' in await last_of(store, lost)
    await store.close()


async def test_one_spoilt_turn_does_not_keep_a_server_from_starting(
    store: SqliteStore, opened: Opened
) -> None:  # 72
    dead = f"{HERE}|{NOBODY}|x"
    await left_behind(store, dead, [{"id": "x"}])
    await left_behind(store, dead, [answer("x") | {"content": [{"type": "refusal"}]}])
    whole = await left_behind(store, dead, [answer("so far")])
    engine = await opened()
    kept = await items(engine, whole.thread_id)
    assert [each["type"] for each in kept] == ["user_message", "assistant_message", "task"]
    await store.close()


async def test_a_turn_whose_thread_is_gone_is_closed_without_a_word(store: SqliteStore) -> None:
    record = TurnRecord(new_id("turn"), OWNER, new_id("thread"), f"{HERE}|{NOBODY}|x", now())
    await store.begin_turn(record)
    await Recovery(store, server_name(), ()).recover()
    assert await store.running_turns() == []
    await store.close()


async def test_two_servers_on_one_file_leave_each_others_turns_alone(
    opened: Opened, answerer: Scripted
) -> None:  # 72
    answerer.answer_with = say(*["word "] * 20, delay=0.02)
    one, two = await opened(), await opened()
    turn = await ask(one, "hi")
    thread = (await first(one, turn, "thread.created"))["thread"]["id"]
    await two._recovery.recover()
    await opened()
    await read(one, turn)
    kept = await items(two, thread)
    assert [each["type"] for each in kept] == ["user_message", "assistant_message"]
    assert kept[1]["content"][0]["text"] == "word " * 20
