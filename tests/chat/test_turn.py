"""A turn ends once, tells the truth about it, and keeps what was said, whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from parlour.answer.base import AnswerEvent, Emit, Question, Text, ThreadChange
from parlour.chat.engine import Engine
from parlour.chat.recovery import Recovery, server_name
from parlour.errors import StoreUnavailable, TurnNotFound
from parlour.protocol import JsonObject, new_id, timestamp
from parlour.stores.base import Outcome
from parlour.stores.sqlite import SqliteDatabase, SqliteStore
from tests.chat.conftest import Opened
from tests.servers.answerers import Answer, Scripted, emit, fail, say
from tests.servers.asking import CALLER, answered, ask, first, items, read, start

FOREVER = ["word "] * 1000


def item(kind: str, **fields: object) -> JsonObject:
    base = {"id": new_id("message"), "thread_id": "here", "created_at": timestamp(), "type": kind}
    return {**base, **fields}


def added(made: JsonObject) -> Emit:
    return Emit({"type": "thread.item.added", "item": made})


def updated(made: JsonObject, update: JsonObject) -> Emit:
    return Emit({"type": "thread.item.updated", "item_id": made["id"], "update": update})


def done(made: JsonObject) -> Emit:
    return Emit({"type": "thread.item.done", "item": made})


def then_fail(answer: Answer) -> Answer:
    async def broken(question: Question) -> AsyncIterator[AnswerEvent]:
        async for event in answer(question):
            yield event
        raise ValueError("broken")

    return broken


async def thread_of(engine: Engine, turn: str) -> str:
    created = await first(engine, turn, "thread.created")
    thread_id: str = created["thread"]["id"]
    return thread_id


def types(found: list[JsonObject]) -> list[str]:
    return [str(each.get("outcome", each["type"])) for each in found]


# -- stopping ------------------------------------------------------------------------------------


async def test_a_question_is_kept_however_soon_its_answer_is_stopped(engine: Engine) -> None:  # 69
    turn = await ask(engine, "hi")
    await engine.stop(CALLER.owner, turn)
    thread = await thread_of(engine, turn)
    await read(engine, turn)
    assert types(await items(engine, thread)) == ["user_message", "stopped"]


async def test_a_question_that_is_stopped_while_it_waits_its_turn_is_kept(
    engine: Engine, answerer: Scripted
) -> None:  # 39, 69
    answerer.answer_with = say("a", "b", "c", delay=0.1)
    one = await ask(engine, "one")
    thread = await thread_of(engine, one)
    two = await ask(engine, "two", thread)
    await engine.stop(CALLER.owner, two)
    await read(engine, two)
    said = types(await items(engine, thread))
    assert said == ["user_message", "assistant_message", "user_message", "stopped"]
    assert len(answerer.questions) == 1


async def test_an_answer_that_is_complete_is_not_marked_as_stopped(
    engine: Engine, answerer: Scripted
) -> None:  # 69
    titling = asyncio.Event()

    async def late(question: Question) -> str | None:
        titling.set()
        await asyncio.sleep(60)
        return "Late"

    answerer.title = late  # type: ignore[method-assign]
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await titling.wait()
    await asyncio.sleep(0.05)
    await engine.stop(CALLER.owner, turn)
    await read(engine, turn)
    assert types(await items(engine, thread)) == ["user_message", "assistant_message"]


async def test_an_answerer_that_will_not_stop_adds_nothing_afterwards(
    engine: Engine, answerer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:  # 70
    monkeypatch.setattr("parlour.chat.turn.STOP_GRACE", 0.1)
    released = asyncio.Event()

    async def stubborn(question: Question) -> AsyncIterator[AnswerEvent]:
        yield Text("so far")
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()
        yield Emit({"type": "thread.item.done", "item": item("end_of_turn")})
        yield Text("and on")

    answerer.answer_with = stubborn
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await asyncio.sleep(0.05)
    await engine.stop(CALLER.owner, turn)
    await asyncio.wait_for(read(engine, turn), 3)
    before = await items(engine, thread)
    assert types(before) == ["user_message", "assistant_message", "stopped"]
    released.set()
    await asyncio.sleep(0.1)
    assert await items(engine, thread) == before


async def test_a_retry_that_is_stopped_at_once_loses_no_answer(
    engine: Engine, answerer: Scripted
) -> None:  # 18
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await read(engine, turn)
    question, answer = await items(engine, thread)
    for _ in range(2):
        again = await start(
            engine, "threads.retry_after_item", thread_id=thread, item_id=question["id"]
        )
        await engine.stop(CALLER.owner, again)
        await read(engine, again)
    kept = await items(engine, thread)
    assert kept[:2] == [question, answer]
    assert types(kept[2:]) == ["stopped", "stopped"]


async def test_a_retry_that_breaks_off_shows_the_thread_as_it_is_kept(
    engine: Engine, answerer: Scripted
) -> None:  # 18
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await read(engine, turn)
    shown = await items(engine, thread)
    widget = item("widget", widget={"type": "Card", "children": []})
    answerer.answer_with = emit(Text("new "), added(widget), done(widget), Text("half"))
    answerer.answer_with = then_fail(answerer.answer_with)
    again = await start(
        engine, "threads.retry_after_item", thread_id=thread, item_id=shown[0]["id"]
    )
    shown = shown[:1]
    for event in await read(engine, again):
        if event["type"] == "thread.item.removed":
            shown = [each for each in shown if each["id"] != event["item_id"]]
        elif event["type"] == "thread.item.done":
            shown = [each for each in shown if each["id"] != event["item"]["id"]]
            shown.append(event["item"])
    kept = await items(engine, thread)
    assert shown == kept
    assert types(kept)[1:] == ["assistant_message"] * 2 + ["widget", "assistant_message", "failed"]


async def test_a_question_that_waits_for_another_servers_answer_at_the_end_is_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parlour.chat.turn.STOP_GRACE", 0.1)
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await read(engine, turn)
    async with engine.turnlog.hold(thread, 0):
        waiting = await ask(engine, "and?", thread)
        await asyncio.sleep(0.05)
        for each in engine._turns.values():
            each.end("interrupted")
        events = await read(engine, waiting)
    assert [event["item"]["type"] for event in events] == ["user_message", "task"]
    assert types((await items(engine, thread))[2:]) == ["user_message", "interrupted"]


async def test_a_thread_may_be_deleted_while_it_is_answered(
    engine: Engine, answerer: Scripted
) -> None:  # 32
    answerer.answer_with = say(*FOREVER, delay=0.01)
    running = await ask(engine, "one")
    thread = await thread_of(engine, running)
    waiting = await ask(engine, "two", thread)
    await answered(engine, "threads.delete", thread_id=thread)
    await asyncio.wait_for(read(engine, running), 3)
    assert (await asyncio.wait_for(read(engine, waiting), 3))[-1]["type"] == "error"
    assert (await answered(engine, "threads.list"))["data"] == []
    assert await engine.store.running_turns() == []


async def test_shutting_down_ends_running_and_waiting_turns_with_their_text(
    opened: Opened, answerer: Scripted
) -> None:  # 72
    engine = await opened()
    answerer.answer_with = say(*FOREVER, delay=0.01)
    running = await ask(engine, "one")
    thread = await thread_of(engine, running)
    await ask(engine, "two", thread)
    await asyncio.sleep(0.1)
    await asyncio.wait_for(engine.close(), 5)
    kept = await items(await opened(), thread)
    assert types(kept) == [
        *("user_message", "assistant_message", "interrupted"),
        *("user_message", "interrupted"),
    ]
    assert kept[1]["content"][0]["text"].startswith("word ")


# -- answerers that misbehave --------------------------------------------------------------------


class Odd(BaseException):
    """What no ``except Exception`` catches."""


@pytest.mark.parametrize(
    "garbage",
    [
        Emit({"type": "thread.item.added", "item": {}}),
        Emit({"type": "thread.item.added", "item": {"id": 7, "type": "task"}}),
        Emit({"type": "thread.item.done", "item": {"id": "x"}}),
        Emit({"type": "thread.item.updated"}),
        Emit({"type": "thread.item.removed"}),
        Emit({"type": "notice", "message": object()}),
        Emit({}),
        Emit("text"),  # type: ignore[arg-type]
        Text(7),  # type: ignore[arg-type]
        Text(b"bytes"),  # type: ignore[arg-type]
        ThreadChange({"owner": "guest:two"}),
        None,
        "text",
    ],
)
async def test_nonsense_from_an_answerer_ends_only_its_own_turn(
    engine: Engine, answerer: Scripted, garbage: AnswerEvent
) -> None:
    ok = item("assistant_message", content=[{"type": "output_text", "text": "kept"}])
    answerer.answer_with = emit(added(ok), garbage)
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await asyncio.wait_for(read(engine, turn), 3)
    assert types(await items(engine, thread))[:2] == ["user_message", "assistant_message"]
    assert await engine.store.running_turns() == []


@pytest.mark.parametrize(
    "update",
    [
        {"type": "assistant_message.content_part.text_delta", "content_index": 0, "delta": 7},
        {"type": "assistant_message.content_part.text_delta", "content_index": "0", "delta": "x"},
        {"type": "assistant_message.content_part.done", "content_index": 0, "content": "x"},
        {"type": "assistant_message.content_part.added", "content_index": 0, "content": {"a": 1}},
        {"type": "assistant_message.content_part.annotation_added", "content_index": 0},
        {
            "type": "assistant_message.content_part.done",
            "content_index": 0,
            "content": {"text": object()},
        },
        {"type": "never.heard.of"},
    ],
)
async def test_a_spoilt_item_does_not_take_the_others_with_it(
    engine: Engine, answerer: Scripted, update: JsonObject
) -> None:  # 68
    spoilt = item("assistant_message", content=[])
    ok = item("assistant_message", content=[{"type": "output_text", "text": "kept"}])
    answerer.answer_with = emit(added(ok), added(spoilt), updated(spoilt, update))
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await asyncio.wait_for(read(engine, turn), 3)
    assert ok["id"] in [found["id"] for found in await items(engine, thread)]
    assert await engine.store.running_turns() == []


@pytest.mark.parametrize(
    "error", [Odd(), asyncio.CancelledError(), GeneratorExit(), StopAsyncIteration()]
)
async def test_any_exception_ends_the_turn_with_its_text(
    engine: Engine, answerer: Scripted, error: BaseException
) -> None:  # 73
    answerer.answer_with = fail(error, "so far")  # type: ignore[arg-type]
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await asyncio.wait_for(read(engine, turn), 3)
    kept = await items(engine, thread)
    assert kept[1]["content"][0]["text"] == "so far"
    assert kept[2]["outcome"] in ("failed", "interrupted")


async def test_a_hidden_item_that_is_not_finished_is_kept_and_not_shown(
    engine: Engine, answerer: Scripted
) -> None:  # 91
    answerer.answer_with = emit(added(item("hidden_context_item", content="SECRET")), Text("hi"))
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    assert "SECRET" not in str(await read(engine, turn))
    assert "SECRET" not in str(await items(engine, thread))
    whole = await engine.store.list_items(CALLER.owner, thread, limit=10, hidden=True)
    assert "SECRET" in str(whole)


async def test_half_a_surrogate_pair_breaks_nothing(engine: Engine, answerer: Scripted) -> None:
    answerer.answer_with = say("a", "\ud83d", "\ude00", "b", "\ud83d")
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await read(engine, turn)
    assert (await items(engine, thread))[1]["content"][0]["text"] == "a\U0001f600b\ufffd"


async def test_an_item_id_with_quotes_is_a_cursor_like_any_other(
    engine: Engine, answerer: Scripted
) -> None:  # 26
    odd = [item("end_of_turn") | {"id": f'"{n}\\'} for n in range(3)]
    answerer.answer_with = emit(*(Emit({"type": "thread.item.done", "item": i}) for i in odd))
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await read(engine, turn)
    page = await answered(engine, "items.list", thread_id=thread, limit=2)
    rest = await answered(engine, "items.list", thread_id=thread, limit=2, after=page["after"])
    assert [i["id"] for i in page["data"] + rest["data"]][:3] == [i["id"] for i in odd[::-1]]


# -- databases that misbehave --------------------------------------------------------------------


class Failing(SqliteStore):
    """The real store, but the methods in ``away`` find the database gone as often as they say."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteDatabase(path))
        self.away: dict[str, int] = {}

    def _fail(self, method: str) -> None:
        if self.away.get(method, 0) > 0:
            self.away[method] -= 1
            raise StoreUnavailable("The database is away.")

    async def add_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        self._fail("add_item")
        await super().add_item(owner, thread_id, item)

    async def journal(self, owner: str, turn_id: str, pending: Sequence[JsonObject]) -> bool:
        self._fail("journal")
        return await super().journal(owner, turn_id, pending)

    async def end_turn(
        self, owner: str, turn_id: str, outcome: Outcome, items: Sequence[JsonObject] = ()
    ) -> Outcome | None:
        self._fail("end_turn")
        return await super().end_turn(owner, turn_id, outcome, items)


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Failing:
    monkeypatch.setattr("parlour.chat.turn.END_PAUSES", (0.05, 0.05))
    return Failing(tmp_path / "chat.db")


async def test_a_database_that_is_away_for_a_moment_loses_no_answer(
    opened: Opened, failing: Failing
) -> None:
    engine = await opened(failing)
    failing.away = {"end_turn": 2}
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    events = await read(engine, turn)
    assert events[-1]["type"] == "thread.item.done"
    assert (await items(engine, thread))[1]["content"][0]["text"] == "Hello there."


async def test_an_answer_whose_end_cannot_be_stored_is_not_called_done_and_comes_back(
    opened: Opened, failing: Failing, answerer: Scripted
) -> None:
    engine = await opened(failing)
    failing.away = {"end_turn": 3, "journal": 1}
    answerer.answer_with = say("one ", "two ", delay=0.4)
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    events = await read(engine, turn)
    assert [e["type"] for e in events[-2:]] != ["thread.item.done"] * 2
    assert events[-1] == {"type": "error", "code": "stream.error", "allow_retry": True}
    later = Recovery(failing, server_name(), (), lease=0.05)
    await later.recover()
    await asyncio.sleep(0.1)
    await later.recover()
    kept = await items(engine, thread)
    assert types(kept) == ["user_message", "assistant_message", "interrupted"]
    assert kept[1]["content"][0]["text"] == "one two "


async def test_a_question_that_cannot_be_stored_is_a_told_failure(
    opened: Opened, failing: Failing, answerer: Scripted
) -> None:
    engine = await opened(failing)
    failing.away = {"add_item": 1}
    events = await read(engine, await ask(engine, "hi"))
    assert [e["type"] for e in events] == ["thread.created", "error"]
    assert answerer.questions == []
    assert await engine.store.running_turns() == []


async def test_a_turn_that_another_server_has_ended_stops_and_is_not_called_done(
    engine: Engine, answerer: Scripted
) -> None:
    answerer.answer_with = say(*FOREVER, delay=0.01)
    turn = await ask(engine, "hi")
    thread = await thread_of(engine, turn)
    await first(engine, turn, "thread.item.updated")
    kept = [{**item("assistant_message"), "thread_id": thread, "content": []}]
    await engine.store.end_turn(CALLER.owner, turn, "interrupted", kept)
    events = await read(engine, turn)
    assert answerer.ended == ["CancelledError"]
    assert events[-1]["type"] == "error"
    assert "outcome" not in str(events), "a mark that nobody stored"
    assert types(await items(engine, thread)) == ["user_message", "assistant_message"]


# -- what stays behind ---------------------------------------------------------------------------


async def test_nothing_of_an_ended_turn_stays_in_the_engine(
    engine: Engine, answerer: Scripted
) -> None:  # 74
    for failing in (False, True):
        answerer.answer_with = fail(ValueError(), "x") if failing else say("x")
        await read(engine, await ask(engine, "hi"))
    await asyncio.sleep(0.05)
    assert not engine._turns
    assert not engine._tasks
    assert len(asyncio.all_tasks()) <= 2  # the test, and the look after dead servers
    with pytest.raises(TurnNotFound):
        await engine.stop(CALLER.owner, new_id("turn"))
