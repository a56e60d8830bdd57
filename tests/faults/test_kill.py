"""What a visitor has read survives the death of the server."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.servers.client import Visitor, message, thread_of
from tests.servers.process import free_port, server


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_servers_answer_is_kept_marked_and_can_be_asked_again(
    tmp_path: Path, sent: signal.Signals
) -> None:  # 72
    port = free_port()
    read: list[tuple[float, str]] = []
    with server(tmp_path, port) as process:
        visitor = Visitor(f"http://127.0.0.1:{port}")
        headers = {"parlour-resume": "1"}
        with visitor.streaming("threads.create", headers, input=message("hi")) as stream:
            events = iter(stream)
            thread = thread_of([next(events)])
            for event in events:
                read.append((time.monotonic(), event.get("update", {}).get("delta", "")))
                if len(read) == 60:
                    break
            killed = time.monotonic()
            process.send_signal(sent)
        process.wait(10)
    seen = "".join(text for at, text in read if at < killed - 0.5)
    assert len(seen) > 50
    with server(tmp_path, port):
        items = visitor.items(thread)
        assert [item["type"] for item in items] == ["user_message", "assistant_message", "task"]
        kept = items[1]["content"][0]["text"]
        assert kept.startswith(seen)
        assert "word399" not in kept
        assert items[2]["outcome"] == "interrupted"
        retry = {"thread_id": thread, "item_id": items[0]["id"]}
        events_again = visitor.events("threads.retry_after_item", **retry)
        assert events_again[-1]["item"]["content"][0]["text"].endswith("word399 ")
        assert [item["type"] for item in visitor.items(thread)] == [
            "user_message",
            "assistant_message",
        ]
    visitor.close()


def test_a_server_that_lives_on_ends_what_its_killed_neighbour_left(tmp_path: Path) -> None:  # 72
    ports = free_port(), free_port()
    with server(tmp_path, ports[0]) as doomed, server(tmp_path, ports[1]):
        visitor = Visitor(f"http://127.0.0.1:{ports[0]}")
        neighbour = Visitor(f"http://127.0.0.1:{ports[1]}", guest=False)
        neighbour.http.headers.update(visitor.http.headers)
        headers = {"parlour-resume": "1"}
        with visitor.streaming("threads.create", headers, input=message("hi")) as stream:
            events = iter(stream)
            thread = thread_of([next(events)])
            for _ in range(60):
                next(events)
            doomed.kill()
            doomed.wait()
        with neighbour.streaming("threads.create", headers, input=message("hi")) as stream:
            own = thread_of([next(iter(stream))])
            end = time.monotonic() + 20
            while len(items := neighbour.items(thread)) < 3 and time.monotonic() < end:
                time.sleep(0.2)
            assert [item["type"] for item in items] == ["user_message", "assistant_message", "task"]
            assert items[2]["outcome"] == "interrupted"
            assert [item["type"] for item in neighbour.items(own)][:1] == ["user_message"]
            assert "interrupted" not in str(neighbour.items(own))
        neighbour.close()
        visitor.close()
