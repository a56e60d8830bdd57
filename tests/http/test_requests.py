"""Each request type, and every way of getting it wrong. Numbers are the contract's rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from parlour.answer.base import Emit, Text, ThreadChange
from parlour.http.health import HealthRoutes
from parlour.protocol import JsonObject, new_id, timestamp
from parlour.stores.sqlite import SqliteStore
from tests.http.pictures import PNG
from tests.servers.answerers import Scripted, emit
from tests.servers.client import Visitor, kinds, message, thread_of

Newcomer = Callable[[], Visitor]


def item(kind: str, **fields: object) -> JsonObject:
    base = {"id": new_id("message"), "thread_id": "here", "created_at": timestamp(), "type": kind}
    return {**base, **fields}


def done(made: JsonObject) -> Emit:
    return Emit({"type": "thread.item.done", "item": made})


def call(name: str = "get_selection", **fields: object) -> JsonObject:
    return item(
        "client_tool_call",
        **{"status": "pending", "call_id": "c1", "name": name, "arguments": {}, **fields},
    )


def widget(value: str = "before") -> JsonObject:
    text = {"type": "Text", "id": "t", "value": value}
    return item("widget", widget={"type": "Card", "children": [text], "border": True})


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"{}", 400, "unknown_request_type"),
        (b'{"type": 7}', 400, "unknown_request_type"),
        (b'{"type": "thread.respond", "params": {}}', 400, "unknown_request_type"),
        (b'{"type": "threads.create"}', 400, "bad_request"),
        (b'{"type": "threads.create", "params": {"input": {"content": 1}}}', 400, "bad_request"),
        (b'{"type": "threads.get_by_id", "params": {"thread_id": 3}}', 400, "bad_request"),
        (b"\xff\xfe", 400, "bad_request"),
        (b'{"type":"threads.list","params":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, None),
        (b'{"a": "' + b"x" * 1_000_001 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_request_that_cannot_be_read_says_why(
    visitor: Visitor, body: bytes, status: int, code: str | None
) -> None:  # 35
    response = visitor.http.post("/chatkit", content=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert code is None or error["code"] == code
    assert error["message"]
    assert error["hint"]


def test_a_message_has_a_length_and_is_not_empty(visitor: Visitor) -> None:
    long = visitor.post("threads.create", input=message("x" * 4001))
    assert (long.status_code, long.json()["error"]["code"]) == (413, "message_too_long")
    empty = visitor.post("threads.create", input=message("  "))
    assert (empty.status_code, empty.json()["error"]["code"]) == (400, "bad_request")
    assert visitor.json("threads.list")["data"] == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("threads.get_by_id", {}),
        ("items.list", {}),
        ("threads.update", {"title": "x"}),
        ("threads.delete", {}),
        ("items.feedback", {"item_ids": ["msg_1"], "kind": "positive"}),
        ("threads.add_user_message", {"input": message("hi")}),
        ("threads.add_client_tool_output", {"result": {}}),
        ("threads.add_structured_input", {"item_id": "msg_1", "input": {}}),
        ("threads.retry_after_item", {"item_id": "msg_1"}),
        ("threads.custom_action", {"action": {"type": "a"}}),
        ("threads.sync_custom_action", {"action": {"type": "a"}}),
    ],
)
def test_a_missing_thread_and_a_strangers_are_the_same_defined_error(
    newcomer: Newcomer, kind: str, params: JsonObject
) -> None:  # 31, 36, 37
    owner, stranger = newcomer(), newcomer()
    thread = thread_of(owner.ask("mine"))
    missing = stranger.post(kind, thread_id="thr_" + "0" * 32, **params)
    foreign = stranger.post(kind, thread_id=thread, **params)
    assert missing.status_code == foreign.status_code == 404
    assert missing.json()["error"]["code"] == foreign.json()["error"]["code"] == "thread_not_found"
    assert len(owner.items(thread)) == 2


def test_a_strangers_turn_cannot_be_read_or_stopped(newcomer: Newcomer) -> None:  # 37
    owner, stranger = newcomer(), newcomer()
    response = owner.post("threads.create", input=message("mine"))
    turn = response.headers["parlour-turn"]
    assert stranger.http.get(f"/chatkit/turns/{turn}").status_code == 404
    assert stranger.http.post(f"/chatkit/turns/{turn}/stop").status_code == 404
    assert owner.http.get(f"/chatkit/turns/{turn}").status_code == 200
    assert owner.http.get(f"/chatkit/turns/trn_{'0' * 32}").json()["error"]["code"] == (
        "turn_not_found"
    )


def test_an_attachment_that_is_not_there_leaves_no_thread_behind(visitor: Visitor) -> None:
    given = message("look")
    given["attachments"] = ["atc_" + "0" * 32]
    response = visitor.post("threads.create", input=given)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "attachment_not_found"
    assert visitor.json("threads.list")["data"] == []


def test_addresses_that_do_not_exist_answer_in_the_same_shape(visitor: Visitor) -> None:
    assert visitor.http.get("/nothing").json()["error"]["code"] == "not_found"
    wrong = visitor.http.get("/chatkit")
    assert wrong.status_code == 405
    assert wrong.json()["error"]["hint"]
    bad = visitor.http.get("/chatkit/turns/x?after=y")
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "bad_request")


# -- threads and items ---------------------------------------------------------------------------


def test_unknown_keys_are_ignored(visitor: Visitor) -> None:  # 1
    body = {"type": "threads.list", "params": {"limit": 1, "new": 1}, "extra": True}
    assert visitor.http.post("/chatkit", json=body).json() == {"data": [], "has_more": False}


def test_a_thread_is_loaded_with_its_first_page(visitor: Visitor) -> None:  # 24
    thread = thread_of(visitor.ask("q0"))
    for n in range(1, 15):
        visitor.ask(f"q{n}", thread)
    loaded = visitor.json("threads.get_by_id", thread_id=thread)
    assert loaded["id"] == thread
    assert loaded["metadata"] == {}
    page = loaded["items"]
    assert len(page["data"]) == 20
    assert page["has_more"] is True
    assert page["after"] == page["data"][-1]["id"]
    assert page["data"][0]["content"][0]["text"] == "q0"


def test_pages_are_full_and_cursors_visible_among_hidden_items(
    visitor: Visitor, answerer: Scripted
) -> None:  # 26, 27, 28, 91
    hidden = [done(item("hidden_context_item", content=f"SECRET {n}")) for n in range(3)]
    answerer.answer_with = emit(*hidden, Text("a"))
    events = visitor.ask("q0")
    thread = thread_of(events)
    for n in range(1, 15):
        events += visitor.ask(f"q{n}", thread)
    seen, sizes = [], []
    after: str | None = None
    while True:
        page = visitor.json("items.list", thread_id=thread, after=after)
        sizes.append(len(page["data"]))
        seen += [found["id"] for found in page["data"]]
        after = page.get("after")
        if not page["has_more"]:
            break
        assert after == page["data"][-1]["id"]
    assert sizes == [20, 10]
    assert len(set(seen)) == 30
    everything = json.dumps([events, visitor.items(thread)])
    assert "SECRET" not in everything


def test_hidden_items_leave_in_no_event_at_all(visitor: Visitor, answerer: Scripted) -> None:  # 91
    note = item("hidden_context_item", content="TOP SECRET")
    kind = {"type": "hidden_context_item"}
    answerer.answer_with = emit(
        Emit({"type": "thread.item.added", "item": note}),
        Emit({"type": "thread.item.updated", "item_id": note["id"], "update": kind}),
        done(note),
        Emit({"type": "thread.item.replaced", "item": {**note, "content": "TOP SECRET 2"}}),
        Text("ok"),
    )
    events = visitor.ask("hi")
    assert "SECRET" not in json.dumps(events)
    assert note["id"] not in json.dumps(events)


@pytest.mark.parametrize(("limit", "size"), [(0, 20), (-5, 20), (3, 3), (1_000_000, 25)])
def test_page_sizes_are_clamped(visitor: Visitor, limit: int, size: int) -> None:  # 25, 29
    for n in range(25):
        visitor.ask(f"q{n}")
    page = visitor.json("threads.list", limit=limit)
    assert len(page["data"]) == size
    assert page["has_more"] is (size < 25)
    assert all(thread["items"] == {"data": [], "has_more": False} for thread in page["data"])


def test_a_cursor_that_does_not_exist_is_a_defined_error(visitor: Visitor) -> None:
    assert visitor.post("threads.list", after="thr_x").status_code == 404


def test_rename_and_delete(visitor: Visitor) -> None:  # 32
    thread = thread_of(visitor.ask("hi"))
    assert visitor.json("threads.update", thread_id=thread, title="Mine")["title"] == "Mine"
    assert visitor.json("threads.list")["data"][0]["title"] == "Mine"
    assert visitor.json("threads.delete", thread_id=thread) == {}
    assert visitor.json("threads.list")["data"] == []
    assert visitor.post("items.list", thread_id=thread).status_code == 404


def test_a_rename_survives_the_end_of_a_running_answer(
    visitor: Visitor, answerer: Scripted
) -> None:
    answerer.answer_with = emit(Text("a"), ThreadChange({"metadata": {"seen": True}}))
    thread = thread_of(visitor.ask("hi"))
    visitor.json("threads.update", thread_id=thread, title="Renamed")
    visitor.ask("again", thread)
    assert visitor.json("threads.get_by_id", thread_id=thread)["title"] == "Renamed"


def test_feedback_is_kept_and_told(visitor: Visitor, answerer: Scripted) -> None:  # 30
    events = visitor.ask("hi")
    thread, answer = thread_of(events), events[-1]["item"]["id"]
    for kind in ("positive", "negative"):
        given = {"thread_id": thread, "item_ids": [answer], "kind": kind}
        assert visitor.json("items.feedback", **given) == {}
    assert answerer.thumbs[-1] == (thread, [answer], "negative")
    unknown = visitor.post("items.feedback", thread_id=thread, item_ids=["msg_x"], kind="positive")
    assert unknown.status_code == 404


@pytest.mark.parametrize("mime", ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"])
def test_speech_is_transcribed(visitor: Visitor, mime: str) -> None:  # 34
    audio = base64.b64encode(b"abc").decode()
    got = visitor.json("input.transcribe", audio_base64=audio, mime_type=mime)
    assert got == {"text": f"3 bytes of {mime}"}
    assert visitor.post("input.transcribe", audio_base64="%%", mime_type=mime).status_code == 400


@pytest.mark.parametrize("kind", ["locked", "closed"])
def test_a_locked_or_closed_thread_takes_no_message(
    visitor: Visitor, answerer: Scripted, kind: str
) -> None:  # 94
    status = {"type": kind, "reason": "Talk to us by mail."}
    answerer.answer_with = emit(Text("bye"), ThreadChange({"status": status}))
    events = visitor.ask("hi")
    thread = thread_of(events)
    updated = next(event for event in events if event["type"] == "thread.updated")
    assert updated["thread"]["status"] == status
    refused = visitor.post("threads.add_user_message", thread_id=thread, input=message("more"))
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == "Talk to us by mail."


# -- client tools, forms, actions ----------------------------------------------------------------


def test_a_tool_output_completes_the_call_even_behind_hidden_notes(
    visitor: Visitor, answerer: Scripted
) -> None:  # 10, 11
    note = item("hidden_context_item", content="note")
    answerer.answer_with = emit(done(call()), done(note))
    events = visitor.ask("hi")
    thread = thread_of(events)
    answerer.answer_with = emit(Text("thanks"))
    result = {"sel": [1], "nothing": None}
    events = visitor.events("threads.add_client_tool_output", thread_id=thread, result=result)
    assert kinds(events)[0] == "stream_options"
    assert answerer.questions[-1].message is None
    completed = visitor.items(thread)[1]
    assert (completed["status"], completed["output"]) == ("completed", result)


def test_a_repeated_or_late_tool_output_is_a_defined_error(
    visitor: Visitor, answerer: Scripted
) -> None:  # 12
    answerer.answer_with = emit(done(call()))
    thread = thread_of(visitor.ask("hi"))
    answerer.answer_with = emit(Text("thanks"))
    given = {"thread_id": thread, "result": 1}
    visitor.events("threads.add_client_tool_output", **given)
    before = visitor.items(thread)
    events = visitor.events("threads.add_client_tool_output", **given)
    assert kinds(events) == ["error"]
    assert "waiting" in events[0]["message"]
    assert visitor.items(thread) == before


def form() -> JsonObject:
    options = [{"value": "Low"}, {"value": "High"}]
    return item(
        "structured_input",
        status="pending",
        inputs=[
            {
                "id": "p",
                "type": "multiple_choice",
                "question": "Priority?",
                "options": options,
                "multiple": False,
            },
            {"id": "n", "type": "freeform", "question": "Notes?"},
        ],
    )


def test_a_form_is_answered_once(visitor: Visitor, answerer: Scripted) -> None:  # 13, 15, 16
    asked = form()
    answerer.answer_with = emit(done(asked))
    thread = thread_of(visitor.ask("hi"))
    answerer.answer_with = emit(Text("noted"))
    answers = {"p": {"values": ["High", "Low"]}, "zzz": {"values": ["?"]}}
    given = {"thread_id": thread, "item_id": asked["id"], "input": {"answers": answers}}
    events = visitor.events("threads.add_structured_input", **given)
    assert kinds(events)[:2] == ["stream_options", "thread.item.replaced"]
    filled = visitor.items(thread)[1]
    assert filled == events[1]["item"]
    assert filled["status"] == "answered"
    assert filled["inputs"][0]["answer"] == {"values": ["High"], "skipped": False}
    assert filled["inputs"][1]["answer"] == {"values": [], "skipped": True}
    again = visitor.events("threads.add_structured_input", **given)
    assert kinds(again) == ["error"]


def test_a_form_can_be_skipped(visitor: Visitor, answerer: Scripted) -> None:  # 14
    asked = form()
    answerer.answer_with = emit(done(asked))
    thread = thread_of(visitor.ask("hi"))
    answerer.answer_with = emit(Text("noted"))
    given = {"thread_id": thread, "item_id": asked["id"], "input": {"status": "skipped"}}
    visitor.events("threads.add_structured_input", **given)
    filled = visitor.items(thread)[1]
    assert filled["status"] == "skipped"
    assert all(question["answer"]["skipped"] for question in filled["inputs"])


def test_an_action_gets_its_sender_and_changes_what_is_stored(
    visitor: Visitor, answerer: Scripted
) -> None:  # 20, 65
    made = widget()
    answerer.answer_with = emit(done(made))
    thread = thread_of(visitor.ask("hi"))
    after = {"type": "widget.root.updated", "widget": widget("after")["widget"]}
    update = Emit({"type": "thread.item.updated", "item_id": made["id"], "update": after})
    answerer.act_with = lambda request: emit(update)(answerer.questions[-1])
    action = {"type": "save", "payload": {"x": None}}
    given = {"thread_id": thread, "action": action}
    events = visitor.events("threads.custom_action", item_id=made["id"], **given)
    assert kinds(events) == ["stream_options", "thread.item.updated"]
    request = answerer.actions[-1]
    assert request.sender is not None
    assert request.sender["widget"] == made["widget"]
    assert request.action == action
    assert visitor.items(thread)[1]["widget"] == after["widget"]
    visitor.events("threads.custom_action", **given)
    assert answerer.actions[-1].sender is None


def test_an_action_from_something_else_than_a_widget_is_refused(visitor: Visitor) -> None:  # 21
    events = visitor.ask("hi")
    thread, answer = thread_of(events), events[-1]["item"]["id"]
    given = {"thread_id": thread, "item_id": answer, "action": {"type": "a"}}
    refused = visitor.events("threads.custom_action", **given)
    assert refused[-1] == {"type": "error", "code": "stream.error", "allow_retry": False}
    assert visitor.post("threads.sync_custom_action", **given).status_code == 400


def test_a_synchronous_action_answers_with_the_item_and_keeps_it(
    visitor: Visitor, answerer: Scripted
) -> None:  # 22, 23
    made = widget()
    answerer.answer_with = emit(done(made))
    thread = thread_of(visitor.ask("hi"))
    changed = {**made, "widget": widget("after")["widget"]}
    answerer.sync_with = lambda request: changed
    given = {"thread_id": thread, "item_id": made["id"], "action": {"type": "a"}}
    assert visitor.json("threads.sync_custom_action", **given) == {"updated_item": changed}
    assert visitor.items(thread)[1]["widget"] == changed["widget"]
    answerer.sync_with = None
    assert visitor.json("threads.sync_custom_action", **given) == {}


def test_a_retry_of_something_unknown_is_a_defined_error(visitor: Visitor) -> None:  # 19
    events = visitor.ask("hi")
    thread, answer = thread_of(events), events[-1]["item"]["id"]
    unknown = visitor.post("threads.retry_after_item", thread_id=thread, item_id="msg_x")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "item_not_found")
    wrong = visitor.post("threads.retry_after_item", thread_id=thread, item_id=answer)
    assert wrong.status_code == 400
    assert len(visitor.items(thread)) == 2


# -- attachments ---------------------------------------------------------------------------------


def test_an_attachment_goes_up_in_two_steps_and_into_a_message(
    visitor: Visitor, newcomer: Newcomer
) -> None:  # 9, 33
    made = visitor.json("attachments.create", name="a.png", size=len(PNG), mime_type="image/png")
    given = message("look")
    given["attachments"] = [made["id"]]
    early = visitor.post("threads.create", input=given)
    assert early.json()["error"]["code"] == "attachment_not_found"
    upload = made["upload_descriptor"]
    sent = visitor.http.request(upload["method"], upload["url"], content=PNG)
    assert sent.status_code == 200
    foreign = newcomer().post("threads.create", input=given)
    assert foreign.json()["error"]["code"] == "attachment_not_found"
    events = visitor.events("threads.create", input=given)
    shown = events[1]["item"]["attachments"][0]
    assert shown["id"] == made["id"]
    assert "upload_descriptor" not in shown
    seen = visitor.http.get(shown["preview_url"])
    assert seen.headers["content-type"] == "image/webp"
    assert newcomer().http.get(shown["preview_url"][:-2] + "xx").status_code == 404
    visitor.json("threads.delete", thread_id=thread_of(events))
    assert visitor.http.get(shown["preview_url"]).status_code == 404


def test_an_attachment_goes_up_in_one_step_and_away_again(
    visitor: Visitor, newcomer: Newcomer
) -> None:  # 33
    sent = visitor.http.post("/uploads", files={"file": ("n.txt", b"hello", "text/plain")})
    made = sent.json()
    assert (made["name"], made["type"], made["mime_type"]) == ("n.txt", "file", "text/plain")
    stranger = newcomer().post("attachments.delete", attachment_id=made["id"])
    assert stranger.status_code == 404
    assert visitor.json("attachments.delete", attachment_id=made["id"]) == {}
    assert visitor.post("attachments.delete", attachment_id=made["id"]).status_code == 404


def test_an_attachment_that_is_too_large_is_refused(visitor: Visitor) -> None:
    big = visitor.post("attachments.create", name="a", size=10**12, mime_type="text/plain")
    assert big.status_code == 400
    assert visitor.http.post("/uploads", files={}).status_code == 400


# -- who is asking -------------------------------------------------------------------------------


def test_somebody_who_sends_nothing_gets_a_cookie_and_stays_the_same(url: str) -> None:
    nobody = Visitor(url, guest=False)
    response = nobody.post("threads.create", input=message("hi"))
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("parlour_guest=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert len(nobody.json("threads.list")["data"]) == 1
    nobody.close()


def test_a_forged_token_is_refused(visitor: Visitor) -> None:
    token = visitor.http.headers["authorization"]
    for forged in ("Bearer nonsense", token[:-3] + "abc"):
        response = visitor.http.post("/chatkit", json={}, headers={"authorization": forged})
        assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")


def test_health_says_whether_the_database_answers(visitor: Visitor) -> None:
    health = visitor.http.get("/health").json()
    assert health["status"] == "ok"
    assert health["checks"]["database"]["ok"] is True


async def test_health_names_the_reason_when_the_database_is_down(tmp_path: Path) -> None:
    store = SqliteStore.from_spec(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    health = HealthRoutes(store)
    assert (await health.health()).status_code == 200
    for file in tmp_path.iterdir():
        file.unlink()
    response = await health.health()
    assert response.status_code == 503
    check = json.loads(bytes(response.body))["checks"]["database"]
    assert check["ok"] is False
    assert check["reason"]
    assert check["hint"]
    await store.close()
