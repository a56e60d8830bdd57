"""Attachments over HTTP: what is taken, what is refused, and what is left behind."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from parlour.app import create_app
from parlour.chat import sweep
from parlour.chat.links import Links
from parlour.protocol import JsonObject
from parlour.settings import Settings
from tests.http.conftest import Kept
from tests.http.pictures import PDF, PNG, TEXT
from tests.http.uploading import (
    FIELD,
    announce,
    direct,
    post_form,
    post_raw,
    put_form,
    put_raw,
    refusal,
    stranger,
)
from tests.servers.answerers import Scripted
from tests.servers.client import Visitor, kinds, message, thread_of
from tests.servers.serving import serving

Newcomer = Callable[[], Visitor]
Send = Callable[[Visitor, JsonObject, bytes], httpx.Response]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"max_upload_bytes": 1_000_000, "max_uploads": 12, "max_attachments": 3}
    )


WAYS = pytest.mark.parametrize("send", [put_raw, post_raw, put_form, post_form])


# -- the ways up ---------------------------------------------------------------------------------


@WAYS
def test_the_second_step_takes_both_methods_and_both_encodings(
    visitor: Visitor, send: Send
) -> None:  # 187
    made = announce(visitor, len(PNG), "image/png", "a.png")
    assert (made["type"], made["upload_descriptor"]["method"]) == ("image", "PUT")
    sent = send(visitor, made, PNG)
    assert (sent.status_code, sent.content) == (200, b"{}")
    assert visitor.http.get(f"/files/{made['id']}").content == PNG
    assert Image.open(io.BytesIO(stranger(made["preview_url"]).content)).format == "WEBP"


def test_one_step_takes_a_form_and_gives_the_attachment(visitor: Visitor) -> None:  # 186
    made = direct(visitor, PNG, "image/png", "a.png").json()
    preview = made.pop("preview_url")
    assert made == {"id": made["id"], "type": "image", "name": "a.png", "mime_type": "image/png"}
    assert stranger(preview).headers["content-type"] == "image/webp"
    events = visitor.events("threads.create", input=message("look", attachments=[made["id"]]))
    (shown,) = events[1]["item"]["attachments"]
    assert shown == made | {"preview_url": preview}


@WAYS
def test_more_bytes_than_were_announced_are_refused(
    visitor: Visitor, send: Send, kept: Kept
) -> None:
    made = announce(visitor, len(TEXT) - 1)
    assert refusal(send(visitor, made, TEXT), 413) == "body_too_large"
    assert refusal(send(visitor, made, TEXT * 5000), 413) == "body_too_large"
    assert kept() == []
    assert send(visitor, made, TEXT[:-1]).status_code == 200


@WAYS
def test_fewer_bytes_than_were_announced_are_refused(
    visitor: Visitor, send: Send, kept: Kept
) -> None:
    made = announce(visitor, len(TEXT) + 1)
    for less in (TEXT, b""):
        assert refusal(send(visitor, made, less), 400) == "bad_request"
    assert kept() == []


def test_a_file_is_bounded_whatever_the_request_says_of_its_length(visitor: Visitor) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(50):
            yield b"x" * 100_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    sent = visitor.http.post("/uploads", content=endless(), headers=headers)
    assert refusal(sent, 413) == "body_too_large"
    made = announce(visitor, 10)
    sent = httpx.put(made["upload_descriptor"]["url"], content=endless())
    assert refusal(sent, 413) == "body_too_large"
    assert refusal(direct(visitor, b"x" * 1_000_001), 413) == "body_too_large"
    assert direct(visitor, b"x" * 1_000_000).status_code == 200


def test_what_is_no_file_is_refused(visitor: Visitor, kept: Kept) -> None:
    assert refusal(direct(visitor, b""), 400) == "bad_request"
    wrong = visitor.http.post("/uploads", files={"document": ("a", TEXT)})
    assert refusal(wrong, 400) == "bad_request"
    text = visitor.http.post("/uploads", files={FIELD: (None, TEXT)})
    assert refusal(text, 400) == "bad_request"
    two = visitor.http.post("/uploads", files=[(FIELD, ("a", TEXT)), (FIELD, ("b", TEXT))])
    assert refusal(two, 400) == "bad_request"
    made = announce(visitor, len(TEXT))
    wrong = httpx.post(made["upload_descriptor"]["url"], files={"document": TEXT})
    assert refusal(wrong, 400) == "bad_request"
    for size in (0, -1, 1_000_001, 10**12):
        refused = visitor.post("attachments.create", name="a", size=size, mime_type="")
        assert refused.status_code == 400
    assert kept() == []


@pytest.mark.parametrize("form", [False, True])
def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_sent_again(
    visitor: Visitor, form: bool, kept: Kept
) -> None:
    made = announce(visitor, 500_000)
    url = urlsplit(made["upload_descriptor"]["url"])
    kind = "multipart/form-data; boundary=x" if form else "text/plain"
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {kind}\r\n"
    begin = (
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' if form else ""
    )
    with socket.create_connection((str(url.hostname), int(url.port or 0))) as connection:
        connection.sendall(f"{head}Content-Length: 500000\r\n\r\n{begin}".encode() + b"x" * 200_000)
    time.sleep(0.1)
    early = visitor.post("threads.create", input=message("hi", attachments=[made["id"]]))
    assert refusal(early, 404) == "attachment_not_found"
    assert kept() == []
    assert put_raw(visitor, made, b"x" * 500_000).status_code == 200


def test_bytes_come_once(visitor: Visitor) -> None:
    made = announce(visitor, len(TEXT))
    assert put_raw(visitor, made, TEXT).status_code == 200
    for send in (put_raw, post_form):
        assert refusal(send(visitor, made, TEXT.upper()[: len(TEXT)]), 409) == "attachment_taken"
    visitor.events("threads.create", input=message("hi", attachments=[made["id"]]))
    assert refusal(put_raw(visitor, made, TEXT), 409) == "attachment_taken"
    assert visitor.http.get(f"/files/{made['id']}").content == TEXT


def test_of_two_uploads_at_once_one_is_kept(visitor: Visitor) -> None:
    made = announce(visitor, 400_000)
    url = urlsplit(made["upload_descriptor"]["url"])
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
    connections = []
    for letter in (b"a", b"b"):
        connection = socket.create_connection((str(url.hostname), int(url.port or 0)))
        connection.sendall(f"{head}Content-Length: 400000\r\n\r\n".encode() + letter * 399_999)
        connections.append(connection)
    time.sleep(0.1)
    for connection, letter in zip(connections, (b"a", b"b"), strict=True):
        connection.sendall(letter)
    said = []
    for connection in connections:
        said.append(connection.recv(100_000).split(b"\r\n")[0])
        connection.close()
    assert sorted(said) == [b"HTTP/1.1 200 OK", b"HTTP/1.1 409 Conflict"]
    content = visitor.http.get(f"/files/{made['id']}").content
    assert content == (b"a" if b"200" in said[0] else b"b") * 400_000


# -- addresses -----------------------------------------------------------------------------------


@pytest.fixture
def links(settings: Settings, url: str) -> Links:
    """A forger who has our secret, and may make what we would."""
    return Links(settings.signing_secret())


def test_an_address_is_for_one_file_one_use_and_a_while(
    visitor: Visitor, newcomer: Newcomer, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = announce(visitor, len(TEXT)), announce(newcomer(), len(TEXT))
    own, foreign = (urlsplit(each["upload_descriptor"]["url"]) for each in (made, other))
    view = links.sign("somebody", made["id"], "view")
    for query in (
        foreign.query,
        own.query[:-1],
        own.query[:-4] + "AAAA",
        "sig=",
        f"sig={view}",
        "",
    ):
        sent = httpx.put(f"{visitor.url}{own.path}?{query}", content=TEXT)
        assert refusal(sent, 404) == "attachment_not_found"
    later = time.time() + 3601
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: later)
        assert refusal(put_raw(visitor, made, TEXT), 404) == "attachment_not_found"
    assert put_raw(visitor, made, TEXT).status_code == 200


def test_a_message_still_shows_its_image_to_its_owner_when_the_address_has_expired(
    url: str, visitor: Visitor, newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:  # 191
    preview = direct(visitor, PNG, "image/png").json()["preview_url"]
    with_cookie = Visitor(url, guest=False)
    mine = direct(with_cookie, PNG, "image/png").json()["preview_url"]
    assert stranger(preview).status_code == 200
    later = time.time() + 31 * 24 * 3600
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: later)
        assert visitor.http.get(preview).status_code == 200
        assert with_cookie.http.get(mine).status_code == 200
        for response in (
            stranger(preview),
            newcomer().http.get(preview),
            with_cookie.http.get(preview),
        ):
            assert refusal(response, 404) == "attachment_not_found"
    with_cookie.close()


def test_the_owner_needs_no_address_and_nobody_else_has_one(
    visitor: Visitor, newcomer: Newcomer
) -> None:
    made = direct(visitor, PDF, "application/pdf", "Übersicht.pdf").json()
    path = f"/files/{made['id']}"
    mine = visitor.http.get(path)
    assert mine.content == PDF
    assert mine.headers["content-type"] == "application/octet-stream"
    assert mine.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%9Cbersicht.pdf"
    assert mine.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert mine.headers["x-content-type-options"] == "nosniff"
    assert refusal(newcomer().http.get(path), 404) == "attachment_not_found"
    assert refusal(stranger(visitor.url + path), 404) == "attachment_not_found"
    forged = httpx.get(visitor.url + path, headers={"authorization": "Bearer x"})
    assert refusal(forged, 404) == "attachment_not_found"
    assert refusal(visitor.http.get(f"{path}?preview=1"), 404) == "attachment_not_found"


# -- who may send what ---------------------------------------------------------------------------


def test_a_message_takes_only_what_is_uploaded_the_callers_and_free(
    visitor: Visitor, newcomer: Newcomer
) -> None:  # 192, trap 3.9
    mine, missing = direct(visitor, TEXT).json(), announce(visitor, 10)
    mallory = newcomer()
    used = direct(visitor, TEXT).json()
    thread = thread_of(
        visitor.events("threads.create", input=message("hi", attachments=[used["id"]]))
    )
    for who, ids, status, code in (
        (mallory, [mine["id"]], 404, "attachment_not_found"),
        (mallory, [used["id"]], 404, "attachment_not_found"),
        (visitor, [missing["id"]], 404, "attachment_not_found"),
        (visitor, [mine["id"], "atc_nothing"], 404, "attachment_not_found"),
        (visitor, [used["id"]], 409, "attachment_taken"),
        (visitor, ["a", "b", "c", "d"], 400, "too_many_attachments"),
    ):
        before = who.json("threads.list")["data"]
        refused = who.post("threads.create", input=message("look", attachments=ids))
        assert refusal(refused, status) == code
        assert who.json("threads.list")["data"] == before
    # Alice's attachment is still hers, in her thread.
    (shown,) = visitor.items(thread)[0]["attachments"]
    assert shown["id"] == used["id"]
    assert visitor.http.get(f"/files/{used['id']}").content == TEXT
    assert mallory.post("attachments.delete", attachment_id=mine["id"]).status_code == 404
    # In the same thread it may be sent again, and a copy in the list is one.
    again = message("again", attachments=[used["id"], used["id"], mine["id"]])
    events = visitor.events("threads.add_user_message", thread_id=thread, input=again)
    assert len(events[0]["item"]["attachments"]) == 2


def test_an_attachment_that_two_messages_want_at_once_is_in_one_of_them(
    visitor: Visitor,
) -> None:
    def create(made: JsonObject) -> httpx.Response:
        return visitor.post("threads.create", input=message("hi", attachments=[made["id"]]))

    for _ in range(5):
        made = direct(visitor, TEXT).json()
        before = len(visitor.json("threads.list", limit=100)["data"])
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(create, [made] * 4))
        won = [response for response in sent if "thread.created" in response.text]
        assert len(won) == 1
        for lost in (response for response in sent if response is not won[0]):
            assert lost.status_code == 409 or '"type":"error"' in lost.text
        assert len(visitor.json("threads.list", limit=100)["data"]) == before + 1


def test_a_repeated_message_with_an_attachment_reads_the_first_ones_answer(
    visitor: Visitor,
) -> None:  # 38
    given, key = message("hi", attachments=[direct(visitor, TEXT).json()["id"]]), "the-key"
    first = visitor.events("threads.create", {"idempotency-key": key}, input=given)
    again = visitor.events("threads.create", {"idempotency-key": key}, input=given)
    assert kinds(again) == kinds(first)
    assert thread_of(again) == thread_of(first)
    assert len(visitor.json("threads.list")["data"]) == 1
    other = visitor.http.post(
        "/chatkit",
        json={"type": "threads.create", "params": {"input": given}},
        headers={"idempotency-key": "another"},
    )
    assert refusal(other, 409) == "attachment_taken"


def test_uploads_at_the_same_moment_are_not_more_than_are_allowed(visitor: Visitor) -> None:
    with ThreadPoolExecutor(40) as pool:
        sent = [pool.submit(direct, visitor, TEXT) for _ in range(40)]
        taken = [each.result() for each in sent if each.result().status_code == 200]
    assert len(taken) <= 12


def test_somebody_who_uploads_and_never_sends_is_stopped(
    visitor: Visitor, newcomer: Newcomer
) -> None:
    made = [announce(visitor, 10) for _ in range(6)]
    made += [direct(visitor, TEXT).json() for _ in range(6)]
    for refused in (
        direct(visitor, TEXT),
        visitor.post("attachments.create", name="a", size=1, mime_type=""),
    ):
        assert refusal(refused, 400) == "too_many_attachments"
    assert direct(newcomer(), TEXT).status_code == 200
    visitor.json("attachments.delete", attachment_id=made[0]["id"])
    assert direct(visitor, TEXT).status_code == 200
    assert refusal(direct(visitor, TEXT), 400) == "too_many_attachments"
    visitor.events("threads.create", input=message("hi", attachments=[made[-1]["id"]]))
    assert direct(visitor, TEXT).status_code == 200


def test_what_is_deleted_leaves_no_bytes(visitor: Visitor, kept: Kept) -> None:
    alone, sent = (direct(visitor, PNG, "image/png").json() for _ in range(2))
    assert len(kept()) == 4
    thread = thread_of(
        visitor.events("threads.create", input=message("hi", attachments=[sent["id"]]))
    )
    visitor.json("attachments.delete", attachment_id=alone["id"])
    assert kept() == sorted([sent["id"], f"{sent['id']}.preview"])
    visitor.json("threads.delete", thread_id=thread)
    assert kept() == []
    assert stranger(sent["preview_url"]).status_code == 404


def test_an_attachment_deleted_while_its_bytes_come_leaves_none(
    visitor: Visitor, kept: Kept
) -> None:
    made = announce(visitor, 400_000)
    url = urlsplit(made["upload_descriptor"]["url"])
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
    with socket.create_connection((str(url.hostname), int(url.port or 0))) as connection:
        connection.sendall(f"{head}Content-Length: 400000\r\n\r\n".encode() + b"x" * 399_999)
        time.sleep(0.1)
        visitor.json("attachments.delete", attachment_id=made["id"])
        connection.sendall(b"x")
        assert connection.recv(1000).startswith(b"HTTP/1.1 409")
    assert kept() == []


def test_a_place_that_takes_no_bytes_is_a_told_failure_and_the_upload_may_be_sent_again(
    tmp_path: Path, answerer: Scripted
) -> None:
    folder = tmp_path / "files"
    folder.write_text("no folder")
    settings = Settings(home=tmp_path / "home", files=f"local:{folder}")
    with serving(create_app(settings, answerer=answerer)) as url:
        visitor = Visitor(url)
        made = announce(visitor, len(TEXT))
        assert refusal(put_raw(visitor, made, TEXT), 503) == "unavailable"
        assert refusal(direct(visitor, TEXT), 503) == "unavailable"
        folder.unlink()
        assert put_raw(visitor, made, TEXT).status_code == 200
        assert direct(visitor, TEXT).status_code == 200
        visitor.close()


# -- size ----------------------------------------------------------------------------------------


def memory(field: str) -> int:
    """Bytes of this process, in which the server runs too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak")
def test_a_large_file_goes_up_and_down_in_little_memory(tmp_path: Path, answerer: Scripted) -> None:
    size, piece = 25_000_000, b"all work and no play\n" * 1000

    def pieces() -> Iterator[bytes]:
        sent = 0
        while sent < size:
            yield piece[: size - sent]
            sent += len(piece)

    with serving(create_app(Settings(home=tmp_path), answerer=answerer)) as url:
        visitor = Visitor(url)
        direct(visitor, TEXT)  # whatever is loaded only now
        made = announce(visitor, size)
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        sent = httpx.put(made["upload_descriptor"]["url"], content=pieces(), timeout=60)
        assert sent.status_code == 200
        with visitor.http.stream("GET", f"/files/{made['id']}") as response:
            assert sum(len(part) for part in response.iter_raw()) == size
        assert memory("VmHWM") - before < 12_000_000
        visitor.close()


# -- what is left --------------------------------------------------------------------------------


def test_a_running_server_sweeps_by_itself(
    tmp_path: Path, answerer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "FIRST", 0.1)
    half = tmp_path / "files" / "ab" / f"atc_ab{'0' * 30}.0123456789abcdef.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    os.utime(half, (0, 0))
    with serving(create_app(Settings(home=tmp_path), answerer=answerer)):
        end = time.monotonic() + 30
        while half.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
