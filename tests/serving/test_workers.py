"""``parlour serve --workers 2``: real processes, real signals, one port."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from parlour.stores import STORES
from tests.servers.client import Visitor
from tests.servers.completions import CompletionsServer
from tests.servers.forked import Forked
from tests.servers.forked_child import command, numbered
from tests.servers.replies import Reply, Tokens
from tests.services.redis import Redis
from tests.services.running import free_port
from tests.serving.reading import RESUMABLE, Reader, until

WORDS = numbered(150)
WHOLE = "".join(WORDS)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")


class Workers(Forked):
    """The command with two workers."""

    def __init__(self, home: Path, redis: Redis, model: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.home = home
        environment = {
            "REDIS_URL": redis.url, "PARLOUR_HOME": str(home), "OPENAI_BASE_URL": model
        }  # fmt: skip
        options = ("serve", "--workers", "2", "--port", str(port))
        super().__init__(command, environment, str(home), *options, log=home / "log")

    def pids(self) -> set[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def serving(self) -> set[int]:
        """The workers that have started."""
        return {pid for pid in self.pids() if f"Started server process [{pid}]" in self.said}

    def ready(self) -> None:
        until(lambda: len(self.serving()) == 2 or not self.running, "no two workers serve")
        assert self.running, self.said

    def running_turn(self) -> tuple[str, int]:
        """A turn and the process that writes it."""

        async def look() -> tuple[str, int]:
            spec = f"sqlite:///{self.home / 'parlour.db'}"
            store = STORES.load(spec).from_spec(spec)
            await store.open()
            (turn,) = await store.running_turns()
            await store.close()
            return turn.id, int(turn.server.split("|")[1])

        return asyncio.run(look())


@contextmanager
def workers(home: Path, redis: Redis) -> Iterator[Workers]:
    """Both serve; the model they ask takes three seconds for an answer."""
    with CompletionsServer() as model:
        model.script(Reply(Tokens(WORDS, delay=0.02)))
        started = Workers(home, redis, model.url)
        try:
            started.ready()
            yield started
        finally:
            left = started.pids() if started.running else set()
            started.kill()
            for pid in left:
                os.kill(pid, signal.SIGKILL)


def test_a_killed_worker_is_replaced_and_the_others_end_its_answers(
    tmp_path: Path, redis: Redis
) -> None:
    with workers(tmp_path, redis) as parent:
        visitor = Visitor(parent.url)
        reader = Reader(visitor, RESUMABLE)
        reader.wait_for_text()
        turn, pid = parent.running_turn()
        assert turn == reader.turn_id
        with httpx.Client(headers=visitor.http.headers) as client:
            for _ in range(8):  # each time by another connection, so at any worker
                body = {"type": "threads.get_by_id", "params": {"thread_id": reader.thread_id}}
                close = {"connection": "close"}
                shown = client.post(f"{parent.url}/chatkit", json=body, headers=close)
                assert shown.headers["parlour-turn"] == reader.turn_id
        until(lambda: len(reader.events) > 40, "the answer does not go on")
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        reader.join(20)
        assert reader.broken is not None
        until(lambda: len(visitor.items(reader.thread_id)) == 3, "nobody ends the answer")
        assert time.monotonic() - killed < 15
        assert visitor.items(reader.thread_id)[2]["outcome"] == "interrupted"
        until(lambda: len(parent.serving() - {pid}) == 2, "it is not replaced")
        assert "ended with -9" in parent.said
        visitor.close()


def test_a_reload_replaces_every_worker_and_a_stop_ends_all_with_nothing_lost(
    tmp_path: Path, redis: Redis
) -> None:
    with workers(tmp_path, redis) as parent:
        visitor = Visitor(parent.url)
        before = parent.pids()
        reader = Reader(visitor)
        reader.wait_for_text()
        parent.signal(signal.SIGHUP)
        with httpx.Client() as client:

            def replaced() -> bool:
                close = {"connection": "close"}
                assert client.get(f"{parent.url}/health", headers=close).status_code == 200
                return len(parent.serving()) == 2 and not parent.pids() & before

            until(replaced, "the workers are not replaced")
        reader.finish()
        assert reader.text == WHOLE
        last = Reader(visitor)
        last.wait_for_text()
        parent.terminate()
        last.finish()
        assert last.text == WHOLE
        assert parent.wait() == 0
        assert "Traceback" not in parent.said
        visitor.close()


def test_what_is_wrong_is_told_once(tmp_path: Path, redis: Redis) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    environment = {
        "REDIS_URL": redis.url, "PARLOUR_HOME": str(tmp_path), "DATABASE_URL": nowhere
    }  # fmt: skip
    options = ("serve", "--workers", "2", "--port", "0")
    process = Forked(command, environment, str(tmp_path), *options, log=tmp_path / "log")
    try:
        assert process.wait() == 2
        assert process.said.count("error:") == 1, process.said
        assert "Traceback" not in process.said
    finally:
        process.kill()
