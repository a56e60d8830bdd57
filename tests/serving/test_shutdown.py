"""Servers that are told to stop while they answer: real processes, real signals."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest
import uvicorn

from parlour.app import create_app
from parlour.protocol import JsonObject
from parlour.settings import Settings
from tests.servers.client import Visitor, message, thread_of
from tests.servers.forked import Forked, ForkedServer, forked_server
from tests.servers.forked_child import ANSWERERS, numbered
from tests.servers.process import free_port
from tests.serving.reading import RESUMABLE, Reader, again, until

WHOLE = "".join(numbered(40))


def kept(visitor: Visitor, home: Path, thread: str) -> list[JsonObject]:
    """The thread's items as the next server finds them."""
    with forked_server({"home": home}) as server:
        back = again(visitor, server.url)
        items = back.items(thread)
        back.close()
        return items


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def half_sent(server: ForkedServer, visitor: Visitor, body: bytes) -> Iterator[socket.socket]:
    """A request whose head the server has taken, and whose body is still to come."""
    head = (
        f"POST /chatkit HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
        f"authorization: {visitor.http.headers['authorization']}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        yield connection


def rest(connection: socket.socket) -> tuple[str, bytes]:
    """What comes until the server closes the connection: head and body."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return head.decode().lower(), body


def test_running_answers_are_finished_for_readers_and_for_nobody(tmp_path: Path) -> None:
    with forked_server({"home": tmp_path}, answerer="brisk") as server:
        visitor = Visitor(server.url)
        plain, resumable = Reader(visitor), Reader(visitor, RESUMABLE)
        with visitor.streaming("threads.create", RESUMABLE, input=message("hi")) as stream:
            unread = thread_of([next(iter(stream))])
        for reader in (plain, resumable):
            reader.wait_for_text()
        # A terminal tells all processes of a group, and their parent tells them once more.
        server.signal(signal.SIGINT)
        server.terminate()
        told = time.monotonic()
        for reader in (plain, resumable):
            reader.finish()
            assert reader.text == WHOLE
        assert server.wait() == 0
        assert time.monotonic() - told < 10
        assert "Traceback" not in server.said
    items = kept(visitor, tmp_path, unread)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"]
    assert items[1]["content"][0]["text"] == WHOLE
    visitor.close()


def test_no_turn_starts_while_a_server_stops_and_history_can_still_be_read(tmp_path: Path) -> None:
    content = [{"type": "input_text", "text": "late"}]
    late = {"content": content, "attachments": [], "inference_options": {}}
    create = json.dumps({"type": "threads.create", "params": {"input": late}}).encode()
    read = json.dumps({"type": "threads.list", "params": {}}).encode()
    with forked_server({"home": tmp_path}, answerer="slow") as server:
        visitor = Visitor(server.url)
        reader = Reader(visitor)
        reader.wait_for_text()
        with half_sent(server, visitor, create) as turn, half_sent(server, visitor, read) as plain:
            server.terminate()
            until(lambda: refuses(server.port), "it still listens")
            turn.sendall(create)
            head, body = rest(turn)
            assert head.startswith("http/1.1 503 ")
            assert "\r\nretry-after: 1\r\n" in head + "\r\n"
            assert "\r\nconnection: close\r\n" in head + "\r\n"
            assert json.loads(body)["error"]["code"] == "shutting_down"
            plain.sendall(read)
            head, body = rest(plain)
            assert head.startswith("http/1.1 200 ")
            assert [thread["id"] for thread in json.loads(body)["data"]] == [reader.thread_id]
        assert server.running
    visitor.close()


def test_what_is_not_finished_within_the_grace_is_told_marked_and_kept(tmp_path: Path) -> None:
    with forked_server({"home": tmp_path, "shutdown_grace": 0.5}) as server:
        visitor = Visitor(server.url)
        reader = Reader(visitor)
        reader.wait_for_text()
        server.terminate()
        told = time.monotonic()
        reader.finish()
        assert server.wait() == 0
        assert time.monotonic() - told < 8
    mark = reader.events[-1]["item"]
    assert (mark["type"], mark["outcome"]) == ("task", "interrupted")
    _, answer, stored = kept(visitor, tmp_path, reader.thread_id)
    assert answer["content"][0]["text"] == reader.text
    assert stored == mark
    visitor.close()


def test_a_second_signal_ends_it_at_once_with_the_text_kept(tmp_path: Path) -> None:
    with forked_server({"home": tmp_path}) as server:
        visitor = Visitor(server.url)
        reader = Reader(visitor, RESUMABLE)
        reader.wait_for_text()
        server.terminate()
        until(lambda: refuses(server.port), "it still listens")
        words = len(reader.text)
        until(lambda: len(reader.text) > words + 500, "the answer does not go on")
        server.signal(signal.SIGINT)
        told = time.monotonic()
        assert server.wait() == 0
        assert time.monotonic() - told < 4
        reader.finish()
    assert reader.events[-1]["item"]["outcome"] == "interrupted"
    _, answer, _ = kept(visitor, tmp_path, reader.thread_id)
    assert answer["content"][0]["text"] == reader.text
    visitor.close()


def by_uvicorn(home: str, port: int) -> None:
    """Somebody else's way to run our app: uvicorn as it is, which waits without a limit."""
    settings = Settings(home=Path(home), shutdown_grace=0.5)
    app = create_app(settings, answerer=ANSWERERS["slow"]())
    uvicorn.run(app, port=port, log_level="error")


def test_the_grace_holds_under_somebody_elses_uvicorn(tmp_path: Path) -> None:
    port = free_port()
    process = Forked(by_uvicorn, str(tmp_path), port, log=tmp_path / "log")
    try:
        until(lambda: not refuses(port), "it does not listen")
        visitor = Visitor(f"http://127.0.0.1:{port}")
        reader = Reader(visitor)
        reader.wait_for_text()
        process.terminate()
        told = time.monotonic()
        reader.finish()
        process.wait()
        assert time.monotonic() - told < 8
        assert reader.events[-1]["item"]["outcome"] == "interrupted"
        visitor.close()
    finally:
        process.kill()


@pytest.mark.parametrize("path", ["/chatkit", "/uploads"])
@pytest.mark.parametrize("pause", [60.0, 0.1])
def test_a_body_that_does_not_come_holds_nothing(tmp_path: Path, path: str, pause: float) -> None:
    with forked_server({"home": tmp_path, "body_timeout": 0.6}) as server:
        visitor = Visitor(server.url)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900\r\n"
            f"content-type: multipart/form-data; boundary=b\r\n"
            f"authorization: {visitor.http.headers['authorization']}\r\n\r\n"
        )
        part = '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall((head + part).encode())
            asked = time.monotonic()
            ready: list[socket.socket] = []
            while not ready and time.monotonic() - asked < 20:
                connection.sendall(b"-")
                ready = select([connection], [], [], pause)[0]
            head, body = rest(connection)
        assert time.monotonic() - asked < 10
        assert head.startswith("http/1.1 408 ")
        assert json.loads(body)["error"]["code"] == "request_timeout"
        visitor.close()
