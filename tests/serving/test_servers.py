"""Three servers, one database, one Redis: it does not matter which of them is asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from parlour.settings import Settings
from tests.servers.client import Visitor, kinds, message, text_of, thread_of
from tests.servers.forked_child import numbered
from tests.services.nginx import Nginx, shipped
from tests.services.redis import Redis
from tests.services.running import free_port
from tests.serving.cluster import Cluster, cluster
from tests.serving.reading import RESUMABLE, Reader, again

WHOLE = "".join(numbered(400))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[Cluster]:
    spec: dict[str, object] = {"redis_url": redis.url}
    with cluster(tmp_path_factory.mktemp("three"), spec, answerer="slow") as made:
        yield made


@pytest.fixture
def visitors(three: Cluster) -> Iterator[list[Visitor]]:
    """The same visitor at each server, and through nginx."""
    first = Visitor(three.servers[0].url)
    same = [first, *(again(first, each.url) for each in three.servers[1:])]
    same.append(again(first, three.url))
    yield same
    for each in same:
        each.close()


def test_an_answer_is_read_on_at_any_other_server(visitors: list[Visitor]) -> None:
    first = visitors[0]
    with first.streaming("threads.create", RESUMABLE, input=message("hi")) as stream:
        turn, events = stream.turn_id, list(islice(stream, 15))
        last = int(stream.ids[-1].rpartition(":")[2])
    for elsewhere in (visitors[1], visitors[3], visitors[2]):
        with elsewhere.resuming(turn, after=last) as stream:
            events += islice(stream, 20)
            last = int(stream.ids[-1].rpartition(":")[2])
    with visitors[1].resuming(turn, after=last) as stream:
        events += stream
    assert text_of(events) == WHOLE
    assert events[-1]["type"] == "thread.item.done"


def test_every_server_names_a_running_answer_and_can_stop_it(visitors: list[Visitor]) -> None:
    reader = Reader(visitors[0])
    reader.wait_for_text()
    for visitor in visitors:
        answer = visitor.post("threads.get_by_id", thread_id=reader.thread_id)
        assert answer.headers["parlour-turn"] == reader.turn_id
    assert visitors[2].http.post(f"/chatkit/turns/{reader.turn_id}/stop").status_code == 200
    reader.finish()
    assert reader.events[-1]["item"]["outcome"] == "stopped"
    for visitor in visitors:
        answer = visitor.post("threads.get_by_id", thread_id=reader.thread_id)
        assert "parlour-turn" not in answer.headers
        _, text, mark = visitor.items(reader.thread_id)
        assert text["content"][0]["text"] == reader.text
        assert mark["outcome"] == "stopped"


def test_a_second_turn_waits_for_the_first_at_whatever_server(visitors: list[Visitor]) -> None:
    reader = Reader(visitors[0])
    reader.wait_for_text()
    thread = {"thread_id": reader.thread_id, "input": message("second")}
    with visitors[1].streaming("threads.add_user_message", **thread) as second:
        visitors[2].http.post(f"/chatkit/turns/{reader.turn_id}/stop")
        for event in second:
            if "delta" in event.get("update", {}):
                break
        reader.finish()
        types = [item["type"] for item in visitors[2].items(reader.thread_id)]
        assert types[:4] == ["user_message", "assistant_message", "task", "user_message"]
    assert kinds(reader.events)[-1] == "thread.item.done"


def test_the_same_key_is_one_turn_whichever_servers_it_reaches(visitors: list[Visitor]) -> None:
    key = {"idempotency-key": "once", **RESUMABLE}
    with visitors[0].streaming("threads.create", key, input=message("hi")) as first:
        thread = thread_of([next(iter(first))])
        with visitors[1].streaming("threads.create", key, input=message("hi")) as second:
            assert second.turn_id == first.turn_id
            assert thread_of([next(iter(second))]) == thread
        visitors[2].http.post(f"/chatkit/turns/{first.turn_id}/stop")
    assert len(visitors[2].json("threads.list")["data"]) == 1


def test_a_reader_of_another_servers_answer_does_not_hold_a_server_that_stops(
    three: Cluster, visitors: list[Visitor]
) -> None:
    writing = Reader(visitors[0], RESUMABLE)
    writing.wait_for_text()
    with visitors[1].resuming(writing.turn_id) as stream:
        events = [next(iter(stream))]
        told = time.monotonic()
        assert three.restart(1) == 0
        assert time.monotonic() - told < 4
        with pytest.raises(httpx.RemoteProtocolError):
            events += stream
    assert "returned without completing" not in three.servers[1].said
    visitors[2].http.post(f"/chatkit/turns/{writing.turn_id}/stop")
    writing.finish()
    assert writing.events[-1]["item"]["outcome"] == "stopped"


def fail_after_asking(listening: socket.socket, server: int) -> None:
    """Passes one request on, and closes both connections when its answer begins."""
    caller = listening.accept()[0]
    with caller, socket.create_connection(("127.0.0.1", server)) as asked:
        request = b""
        while b"hi" not in request:
            request += caller.recv(65536)
        asked.sendall(request)
        asked.recv(1)


def test_a_request_that_nginx_sends_twice_is_one_turn(
    three: Cluster, visitors: list[Visitor], tmp_path: Path
) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as failing, ThreadPoolExecutor(1) as thread:
        failed = thread.submit(fail_after_asking, failing, three.servers[0].port)
        servers = [failing.getsockname()[1], three.servers[1].port]
        nginx = Nginx(tmp_path, shipped(servers, port=port), port=port)
        nginx.start()
        try:
            visitor = again(visitors[0], nginx.url)
            with visitor.streaming("threads.create", RESUMABLE, input=message("hi")) as stream:
                failed.result(10)
                thread_id = thread_of([next(iter(stream))])
                visitors[2].http.post(f"/chatkit/turns/{stream.turn_id}/stop")
            visitor.close()
        finally:
            nginx.kill()
    threads = visitors[2].json("threads.list")["data"]
    assert [each["id"] for each in threads] == [thread_id]
    types = [item["type"] for item in visitors[2].items(thread_id)]
    assert types.count("user_message") == 1


def test_servers_that_start_at_once_agree_on_a_secret(tmp_path: Path) -> None:
    at_once = Barrier(8)

    def start(home: Path) -> str:
        at_once.wait()
        return Settings(home=home).signing_secret()

    with ThreadPoolExecutor(8) as threads:
        for n in range(25):
            (agreed,) = set(threads.map(start, [tmp_path / str(n)] * 8))
            assert len(agreed) == 64
            (file,) = (tmp_path / str(n)).iterdir()
            assert file.stat().st_mode & 0o777 == 0o600
