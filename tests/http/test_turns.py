"""Turns over a socket: order, text, stop, resume, failures. Numbers are the contract's rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from parlour.answer.base import (
    AnswerEvent,
    Cite,
    Emit,
    Notice,
    Progress,
    Question,
    Text,
    ThreadChange,
)
from parlour.errors import ModelFailed
from tests.servers.answerers import Scripted, emit, fail, say
from tests.servers.client import Visitor, kinds, message, text_of, thread_of

MARK = {"type": "task"}


def test_a_first_message_streams_in_the_protocols_order(visitor: Visitor) -> None:  # 2, 3
    events = visitor.ask("hi")
    assert kinds(events) == [
        "thread.created",
        "thread.item.done",
        "stream_options",
        "thread.item.added",
        "thread.item.updated",
        "thread.item.updated",
        "thread.item.updated",
        "thread.item.done",
    ]
    assert events[1]["item"]["content"] == [{"type": "input_text", "text": "hi"}]
    assert text_of(events) == "Hello there."
    assert events[-1]["item"]["content"][0]["text"] == "Hello there."


def test_the_bytes_are_one_data_line_an_event(visitor: Visitor) -> None:  # 41, 44
    response = visitor.post("threads.create", input=message("naïve ☃"))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    blocks = response.content.decode("utf-8").split("\n\n")
    assert blocks.pop() == ""
    for block in blocks:
        turn, data = block.split("\n")
        assert turn.startswith(f"id: {response.headers['parlour-turn']}:")
        assert data.startswith('data: {"type":"')
    assert "naïve ☃" in response.text


def test_a_second_message_is_appended_and_answered(visitor: Visitor) -> None:  # 4
    thread = thread_of(visitor.ask("one"))
    events = visitor.ask("two", thread)
    assert kinds(events)[:2] == ["thread.item.done", "stream_options"]
    said = [item["type"] for item in visitor.items(thread)]
    assert said == ["user_message", "assistant_message"] * 2


def test_tags_quotes_and_options_reach_the_answerer(visitor: Visitor, answerer: Scripted) -> None:
    # 5, 6, 7, 8, 40
    given = {
        "content": [
            {"type": "input_tag", "id": "t", "text": "@Bob"},
            {"type": "input_text", "text": " hi"},
        ],
        "attachments": [],
        "quoted_text": "the quote",
        "inference_options": {"tool_choice": {"id": "search"}, "model": "big"},
    }
    body = {"type": "threads.create", "params": {"input": given}, "metadata": {"plan": "pro"}}
    assert visitor.http.post("/chatkit", json=body).status_code == 200
    question = answerer.questions[0]
    assert question.message is not None
    assert [part["type"] for part in question.message["content"]] == ["input_tag", "input_text"]
    assert question.message["content"][0]["data"] == {}
    assert question.text == "@Bob hi"
    assert question.quoted_text == "the quote"
    assert question.message["inference_options"] == given["inference_options"]
    assert question.context.metadata == {"plan": "pro"}


def test_selected_text_may_come_as_a_header(visitor: Visitor, answerer: Scripted) -> None:
    visitor.http.headers["x-selected-text"] = "caf%C3%A9 " + "x" * 3000
    visitor.ask("what is this?")
    quoted = answerer.questions[0].quoted_text
    assert quoted is not None
    assert quoted.startswith("café xxx")
    assert len(quoted) == 2000


def test_citations_keep_their_place_and_survive_the_end(
    visitor: Visitor, answerer: Scripted
) -> None:  # 59, 60
    source = {"type": "url", "title": "Docs", "url": "/docs#a"}
    answerer.answer_with = emit(Text("One."), Cite(source), Text(" Two."), Cite(source, index=2))
    events = visitor.ask("hi")
    stored = visitor.items(thread_of(events))[-1]["content"][0]
    assert [mark["index"] for mark in stored["annotations"]] == [4, 2]
    assert stored["annotations"][0]["source"] == source
    assert events[-1]["item"]["content"][0] == stored


def test_notices_and_progress_are_shown_and_not_kept(visitor: Visitor, answerer: Scripted) -> None:
    # 52, 53, 56
    effect = {"type": "client_effect", "name": "fx", "data": {"k": 1}}
    answerer.answer_with = emit(
        Progress("Searching", icon="search"), Notice("warning", "careful"), Emit(effect), Text("ok")
    )
    events = visitor.ask("hi")
    assert {"type": "progress_update", "text": "Searching", "icon": "search"} in events
    assert {"type": "notice", "level": "warning", "message": "careful"} in events
    assert effect in events
    assert [item["type"] for item in visitor.items(thread_of(events))] == [
        "user_message",
        "assistant_message",
    ]


def test_a_new_thread_gets_its_title_while_it_is_answered(
    visitor: Visitor, answerer: Scripted
) -> None:
    answerer.titled = "Greetings"
    events = visitor.ask("hi")
    updated = next(event for event in events if event["type"] == "thread.updated")
    assert updated["thread"]["title"] == "Greetings"
    thread = visitor.json("threads.get_by_id", thread_id=thread_of(events))
    assert thread["title"] == "Greetings"


def test_a_silent_answer_is_kept_alive_by_comments(visitor: Visitor, answerer: Scripted) -> None:
    # 43
    answerer.answer_with = say("a", "b", delay=0.8)
    with visitor.streaming("threads.create", input=message("hi")) as stream:
        assert text_of(list(stream)) == "ab"
    assert stream.comments >= 2


def test_ndjson_is_given_to_those_who_ask_for_it(visitor: Visitor) -> None:
    response = visitor.http.post(
        "/chatkit",
        json={"type": "threads.create", "params": {"input": message("hi")}},
        headers={"accept": "application/x-ndjson"},
    )
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [line for line in response.text.split("\n") if line]
    assert lines[0].startswith('{"type":"thread.created"')
    assert all(line.startswith("{") for line in lines)


def wait_for(what: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def read_some(visitor: Visitor, headers: dict[str, str] | None = None) -> tuple[str, str, str]:
    """Asks, reads a few words, and closes the connection: thread, turn and what was read."""
    seen = ""
    with visitor.streaming("threads.create", headers, input=message("hi")) as stream:
        events = iter(stream)
        thread = thread_of([next(events)])
        for event in events:
            seen += event.get("update", {}).get("delta", "")
            if len(seen) > 10:
                break
        return thread, stream.turn_id, seen


LONG = [f"word{n} " for n in range(100)]


def test_closing_the_connection_stops_and_keeps_the_partial_answer(
    visitor: Visitor, answerer: Scripted
) -> None:  # 69, 70
    answerer.answer_with = say(*LONG, delay=0.02)
    thread, _, seen = read_some(visitor)
    wait_for(lambda: len(visitor.items(thread)) == 3)
    _, answer, mark = visitor.items(thread)
    assert answer["content"][0]["text"].startswith(seen)
    assert "word99" not in answer["content"][0]["text"]
    assert mark["type"] == "task"
    assert mark["outcome"] == "stopped"
    assert answerer.ended == ["CancelledError"]


def test_a_turn_is_stopped_from_anywhere_and_says_so(visitor: Visitor, answerer: Scripted) -> None:
    answerer.answer_with = say(*LONG, delay=0.02)
    with visitor.streaming("threads.create", input=message("hi")) as stream:
        events = [next(iter(stream))]
        other = Visitor(visitor.url, guest=False)
        other.http.headers.update(visitor.http.headers)
        assert other.http.post(f"/chatkit/turns/{stream.turn_id}/stop").status_code == 200
        other.close()
        events += list(stream)
    assert events[-1]["item"]["outcome"] == "stopped"
    assert visitor.items(thread_of(events))[-1]["outcome"] == "stopped"


def test_a_resumable_client_may_drop_and_read_on(visitor: Visitor, answerer: Scripted) -> None:
    # 71
    answerer.answer_with = say(*LONG, delay=0.01)
    thread, turn, seen = read_some(visitor, {"parlour-resume": "1"})
    loaded = visitor.post("threads.get_by_id", thread_id=thread)
    assert loaded.headers["parlour-turn"] == turn
    with visitor.resuming(turn) as stream:
        events = list(stream)
    assert events[0]["type"] == "thread.created"
    assert text_of(events) == "".join(LONG)
    assert text_of(events).startswith(seen)
    assert answerer.ended == ["finished"]
    again = visitor.http.get(
        f"/chatkit/turns/{turn}", headers={"last-event-id": f"{turn}:{len(events) - 3}"}
    )
    assert again.text.count("data: ") <= 4


def test_a_turn_that_must_not_be_stopped_goes_on(visitor: Visitor, answerer: Scripted) -> None:
    # 51
    answerer.stoppable = False
    answerer.answer_with = say(*LONG[:40], delay=0.02)
    thread, turn, _ = read_some(visitor)
    refused = visitor.http.post(f"/chatkit/turns/{turn}/stop")
    assert refused.status_code == 409
    wait_for(lambda: answerer.ended == ["finished"])
    wait_for(lambda: len(visitor.items(thread)) == 2)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("secret detail"), {"code": "stream.error", "allow_retry": True}),
        (
            ModelFailed("The model is away."),
            {"code": "custom", "message": "The model is away.", "allow_retry": True},
        ),
    ],
)
def test_a_failure_in_mid_answer_keeps_the_text_and_is_told_once(
    visitor: Visitor, answerer: Scripted, error: Exception, told: dict[str, object]
) -> None:  # 54, 55, 73
    answerer.answer_with = fail(error, "Half an ", "answer")
    events = visitor.ask("hi")
    assert events[-1] == {"type": "error", **told}
    assert "secret" not in str(events)
    _, answer, mark = visitor.items(thread_of(events))
    assert answer["content"][0]["text"] == "Half an answer"
    assert mark["outcome"] == "failed"


def test_one_key_is_one_turn(visitor: Visitor, answerer: Scripted) -> None:  # 38
    answerer.answer_with = say(*LONG[:20], delay=0.01)
    key = {"idempotency-key": "k1", "parlour-resume": "1"}
    with visitor.streaming("threads.create", key, input=message("hi")) as first:
        begun = next(iter(first))
        other = Visitor(visitor.url, guest=False)
        other.http.headers.update(visitor.http.headers)
        with other.streaming("threads.create", key, input=message("hi")) as second:
            assert second.turn_id == first.turn_id
            events = list(second)
        other.close()
        list(first)
    assert thread_of(events) == thread_of([begun])
    assert text_of(events) == "".join(LONG[:20])
    assert len(visitor.json("threads.list")["data"]) == 1
    assert len(answerer.questions) == 1


def test_a_second_turn_on_a_thread_waits_for_the_first(
    visitor: Visitor, answerer: Scripted
) -> None:  # 39
    answerer.answer_with = say("a", "b", delay=0.2)
    thread = thread_of(visitor.ask("one"))
    with visitor.streaming(
        "threads.add_user_message", thread_id=thread, input=message("two")
    ) as first:
        next(iter(first))
        other = Visitor(visitor.url, guest=False)
        other.http.headers.update(visitor.http.headers)
        other.ask("three", thread)
        other.close()
        list(first)
    said = [item["type"] for item in visitor.items(thread)]
    assert said == ["user_message", "assistant_message"] * 3


def test_a_message_that_waited_for_a_turn_which_locked_the_thread_is_refused(
    visitor: Visitor, answerer: Scripted
) -> None:  # 94
    answerer.answer_with = say("a")
    thread = thread_of(visitor.ask("one"))
    closed = ThreadChange({"status": {"type": "closed", "reason": "Bye."}})

    async def close_slowly(question: Question) -> AsyncIterator[AnswerEvent]:
        yield Text("b")
        await asyncio.sleep(0.5)
        yield closed

    answerer.answer_with = close_slowly
    given = {"thread_id": thread, "input": message("two")}
    with visitor.streaming("threads.add_user_message", **given) as first:
        next(iter(first))
        other = Visitor(visitor.url, guest=False)
        other.http.headers.update(visitor.http.headers)
        events = other.ask("three", thread)
        other.close()
        list(first)
    assert kinds(events) == ["error"]
    assert events[0]["message"] == "Bye."
    assert len(visitor.items(thread)) == 4


def test_a_turn_that_waited_too_long_is_refused_and_leaves_nothing(
    visitor: Visitor, answerer: Scripted
) -> None:  # 39
    answerer.answer_with = say(*LONG, delay=0.05)
    with visitor.streaming("threads.create", input=message("one")) as first:
        thread = thread_of([next(iter(first))])
        other = Visitor(visitor.url, guest=False)
        other.http.headers.update(visitor.http.headers)
        events = other.ask("two", thread)
        other.close()
    assert kinds(events) == ["error"]
    assert "already" in events[0]["message"]
    wait_for(lambda: len(visitor.items(thread)) == 3)


def test_a_retry_answers_again_in_place_of_the_old_answer(
    visitor: Visitor, answerer: Scripted
) -> None:  # 17
    answerer.answer_with = say("old")
    thread = thread_of(visitor.ask("hi"))
    question = visitor.items(thread)[0]["id"]
    answerer.answer_with = say("new")
    events = visitor.events("threads.retry_after_item", thread_id=thread, item_id=question)
    assert kinds(events)[0] == "stream_options"
    assert [i["content"][0]["text"] for i in visitor.items(thread)] == ["hi", "new"]


def test_a_retry_that_fails_brings_the_old_answer_back(
    visitor: Visitor, answerer: Scripted
) -> None:  # 18
    answerer.answer_with = say("old")
    thread = thread_of(visitor.ask("hi"))
    question = visitor.items(thread)[0]["id"]
    answerer.answer_with = fail(ModelFailed("away"))
    events = visitor.events("threads.retry_after_item", thread_id=thread, item_id=question)
    assert events[-1]["type"] == "error"
    assert [e["item"]["content"][0]["text"] for e in events if "content" in e.get("item", {})] == [
        "old"
    ]
    kept = visitor.items(thread)
    assert [item["type"] for item in kept] == ["user_message", "assistant_message", "task"]
    assert kept[1]["content"][0]["text"] == "old"


def test_a_slow_reader_loses_nothing(visitor: Visitor, answerer: Scripted) -> None:  # 74
    pieces = [f"{n:05d} " for n in range(30_000)]

    async def flood(question: Question) -> AsyncIterator[AnswerEvent]:
        for n, piece in enumerate(pieces):
            yield Text(piece)
            if n % 500 == 0:
                await asyncio.sleep(0)

    answerer.answer_with = flood
    with visitor.streaming("threads.create", input=message("hi")) as stream:
        events = []
        for event in stream:
            events.append(event)
            if len(events) < 10:
                time.sleep(0.05)
    assert text_of(events) == "".join(pieces)
    assert len(events) < 20_000
