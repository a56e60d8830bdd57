"""What a visitor has read survives the death of the server."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.client import Visitor, message, thread_of

STARTING = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, killed without mercy at the end."""
    command = [sys.executable, "-m", "tests.servers.slow", str(home), str(port)]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + STARTING
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the server ended by itself"
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


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
