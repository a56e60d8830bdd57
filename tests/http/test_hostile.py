"""A client that means harm, or is broken: always an answer in the one shape, never a stack trace."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers.answerers import Scripted
from tests.servers.client import Visitor, message, thread_of

Newcomer = Callable[[], Visitor]


def refusal(response: httpx.Response, status: int) -> str:
    """The code of an error in the one shape."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["message"]
    assert error["hint"]
    code: str = error["code"]
    return code


@pytest.mark.parametrize("last", ["²", "x:", "trn:-1", "9" * 5000])
def test_a_last_event_id_that_is_not_a_number_is_refused(visitor: Visitor, last: str) -> None:
    turn = visitor.post("threads.create", input=message("hi")).headers["parlour-turn"]
    headers = {"last-event-id": last.encode("latin-1")}
    response = visitor.http.get(f"/chatkit/turns/{turn}", headers=headers)  # type: ignore[arg-type]
    assert refusal(response, 400) == "bad_request"


@pytest.mark.parametrize(("after", "events"), [("-1", 8), ("1" * 31, 0)])
def test_a_number_outside_the_turn_gives_all_of_it_or_nothing(
    visitor: Visitor, after: str, events: int
) -> None:
    turn = visitor.post("threads.create", input=message("hi")).headers["parlour-turn"]
    response = visitor.http.get(f"/chatkit/turns/{turn}?after={after}")
    assert response.status_code == 200
    assert 0 <= events - response.text.count("data: ") <= 1  # neighbouring text may have merged


@pytest.mark.parametrize("depth", [100, 250, 300, 900, 100_000])
@pytest.mark.parametrize(
    "params",
    [
        b'"result":%b',
        b'"action":{"type":"a","payload":%b}',
        b'"input":{"content":[{"type":"input_tag","id":"t","text":"x","data":{"a":%b}}]}',
    ],
)
def test_nesting_without_end_is_refused(visitor: Visitor, depth: int, params: bytes) -> None:
    kinds = {
        b'"res': "threads.add_client_tool_output",
        b'"act': "threads.custom_action",
        b'"inp': "threads.add_user_message",
    }
    thread = thread_of(visitor.ask("hi")).encode()
    nested = params % (b"[" * depth + b"]" * depth)
    body = b'{"type":"%b","params":{"thread_id":"%b",%b}}'
    response = visitor.http.post(
        "/chatkit", content=body % (kinds[params[:4]].encode(), thread, nested)
    )
    if depth > 250:
        assert refusal(response, 400) == "bad_request"
    else:
        assert response.status_code in (200, 400)


@pytest.mark.parametrize("audio", ["é", "%%", "a", "AAA"])
def test_speech_that_is_not_base64_is_refused(visitor: Visitor, audio: str) -> None:
    response = visitor.post("input.transcribe", audio_base64=audio, mime_type="audio/webm")
    assert refusal(response, 400) == "bad_request"


@pytest.mark.parametrize("name", ["x%00.js", "a" * 5000 + ".js", "..%2f..%2fapp.js", "%ff.js"])
def test_a_script_that_cannot_exist_is_not_found(visitor: Visitor, name: str) -> None:
    assert refusal(visitor.http.get(f"/assets/{name}"), 404) == "not_found"


@pytest.mark.parametrize("referer", ["http://[x", "http://[::1]x/", "\\\\", "//", "a" * 5000])
def test_a_referer_that_is_no_address_changes_nothing(visitor: Visitor, referer: str) -> None:
    body = {"type": "threads.list", "params": {}}
    response = visitor.http.post("/chatkit", json=body, headers={"referer": referer})
    assert response.status_code == 200


def test_text_of_any_kind_comes_back_as_it_was(visitor: Visitor, answerer: Scripted) -> None:
    odd = "a\0b\u202ec\ufeffd\u2028e\r\nf\U0001f9d1\u200d\U0001f680 data: x\n\nid: 7\n"
    asked = visitor.post("threads.create", input=message(odd))
    thread = json.loads(asked.content.split(b"data: ")[1].split(b"\n")[0])["thread"]["id"]
    assert visitor.items(thread)[0]["content"][0]["text"] == odd
    assert answerer.questions[0].text == odd
    assert visitor.json("threads.update", thread_id=thread, title=odd)["title"] == odd


def test_ids_that_are_not_ids_are_not_found(visitor: Visitor) -> None:
    thread = thread_of(visitor.ask("hi"))
    for odd in ("", "\0", "thr_'; --", "../..", "𝟙" * 500, "x" * 100_000):
        assert refusal(visitor.post("threads.get_by_id", thread_id=odd), 404) == "thread_not_found"
        after = visitor.post("items.list", thread_id=thread, after=odd or "-")
        assert refusal(after, 404) == "item_not_found"
        deleted = visitor.post("attachments.delete", attachment_id=odd)
        assert refusal(deleted, 404) == "attachment_not_found"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", b"x"),
        (b"multipart/form-data; boundary=\xff", b"x"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"'),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a: b\r\n" * 50_000),
        ("multipart/mixed; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"file=1"),
        ("text/plain", b"hello"),
    ],
)
def test_an_upload_that_is_not_a_form_is_refused(
    visitor: Visitor, kind: str | bytes, content: bytes
) -> None:
    headers = {"content-type": kind}
    response = visitor.http.post("/uploads", content=content, headers=headers)  # type: ignore[arg-type]
    assert refusal(response, 400) == "bad_request"


def test_an_upload_that_lies_about_its_type_is_refused_and_a_page_only_downloaded(
    visitor: Visitor,
) -> None:
    page = b"<script>alert(1)</script>"
    lie = visitor.http.post("/uploads", files={"file": ("a.html", page, "image/svg+xml")})
    assert refusal(lie, 415) == "attachment_type"
    made = visitor.http.post("/uploads", files={"file": ("a.html", page, "text/plain")}).json()
    assert (made["type"], made["mime_type"]) == ("file", "text/html")
    shown = visitor.http.get(f"/files/{made['id']}")
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"].startswith("attachment")
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_a_client_that_leaves_while_it_writes_is_no_error(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = urlsplit(visitor.url).hostname or "", urlsplit(visitor.url).port or 0
    token = visitor.http.headers["authorization"]
    for path, kind in (
        ("chatkit", "application/json"),
        ("uploads", "multipart/form-data; boundary=x"),
    ):
        head = f"POST /{path} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\nContent-Type: {kind}\r\n"
        with socket.create_connection((host, port)) as connection:
            connection.sendall(f"{head}Content-Length: 500\r\n\r\n--x".encode())
            time.sleep(0.1)
    visitor.json("threads.list")
    time.sleep(0.2)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_a_head_request_tells_whether_the_server_is_well(visitor: Visitor) -> None:
    response = visitor.http.head("/health")
    assert (response.status_code, response.content) == (200, b"")


def test_addresses_that_are_not_documented_do_not_exist(visitor: Visitor) -> None:
    for path in ("/openapi.json", "/docs", "/redoc", "/chatkit/turns"):
        assert refusal(visitor.http.get(path), 404) == "not_found"


def test_a_thumb_for_one_item_a_thousand_times_is_one_thumb(
    visitor: Visitor, answerer: Scripted
) -> None:
    events = visitor.ask("hi")
    thread, answer = thread_of(events), events[-1]["item"]["id"]
    given = {"thread_id": thread, "item_ids": [answer] * 1000, "kind": "positive"}
    assert visitor.json("items.feedback", **given) == {}
    assert answerer.thumbs == [(thread, [answer], "positive")]


def test_a_key_is_good_for_one_thread(visitor: Visitor, answerer: Scripted) -> None:  # 38
    first, second = (thread_of(visitor.ask(text)) for text in ("one", "two"))
    key = {"idempotency-key": "k"}
    given = {"input": message("more")}
    visitor.events("threads.add_user_message", key, thread_id=first, **given)
    other = visitor.http.post(
        "/chatkit",
        json={"type": "threads.add_user_message", "params": {"thread_id": second, **given}},
        headers=key,
    )
    assert refusal(other, 409) == "conflict"
    assert len(visitor.items(second)) == 2


def test_a_key_of_a_deleted_thread_is_free_again(visitor: Visitor) -> None:  # 38
    key = {"idempotency-key": "k"}
    thread = thread_of(visitor.events("threads.create", key, input=message("hi")))
    visitor.json("threads.delete", thread_id=thread)
    again = thread_of(visitor.events("threads.create", key, input=message("hi")))
    assert again != thread
    assert len(visitor.items(again)) == 2


def test_bytes_for_an_attachment_that_was_deleted_are_not_kept(visitor: Visitor) -> None:
    made = visitor.json("attachments.create", name="a.txt", size=3, mime_type="text/plain")
    visitor.json("attachments.delete", attachment_id=made["id"])
    sent = visitor.http.put(made["upload_descriptor"]["url"], content=b"abc")
    assert refusal(sent, 404) == "attachment_not_found"


def test_an_origin_that_is_not_listed_may_not_read(visitor: Visitor) -> None:
    response = visitor.http.post(
        "/chatkit",
        json={"type": "threads.list", "params": {}},
        headers={"origin": "https://evil.example"},
    )
    assert "access-control-allow-origin" not in response.headers


def test_the_cookie_is_for_https_only_where_the_page_is(url: str) -> None:
    nobody = httpx.post(f"{url}/chatkit", json={"type": "threads.list", "params": {}})
    assert "secure" not in nobody.headers["set-cookie"].lower()
    proxied = httpx.post(
        f"{url}/chatkit",
        json={"type": "threads.list", "params": {}},
        headers={"x-forwarded-proto": "https"},
    )
    assert "secure" in proxied.headers["set-cookie"].lower()
