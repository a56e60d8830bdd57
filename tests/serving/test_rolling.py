"""A rolling restart of three servers while people are talking to them: nobody notices."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from pathlib import Path

import httpx

from parlour.protocol import JsonObject
from parlour.stores import STORES
from tests.servers.client import Stream, Visitor, message, text_of, thread_of
from tests.servers.forked_child import numbered
from tests.services.postgresql import Postgresql
from tests.services.redis import Redis
from tests.serving.cluster import cluster
from tests.serving.reading import PATIENCE, until

WHOLE = "".join(numbered(40))


class Asking(threading.Thread):
    """Asks one question after the other in one thread until told to stop.

    ``resumes`` reads on wherever nginx sends it when its connection breaks, and leaves by itself in
    mid-answer now and then; otherwise every broken stream is a failure.
    """

    def __init__(self, name: str, url: str, *, resumes: bool) -> None:
        super().__init__(daemon=True, name=name)
        self.visitor = Visitor(url)
        self.acknowledged: list[str] = []
        self.resumed = 0
        self.thread_id = ""
        self.failure: Exception | None = None
        self._resumes = resumes
        self._enough = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            for number in count():
                if self._enough.is_set():
                    return
                self._ask(f"{self.name} asks {number}")
        except Exception as failure:
            self.failure = failure

    def finish(self) -> None:
        """Returns after the answer to its last question."""
        self._enough.set()
        self.join(PATIENCE)
        assert not self.is_alive()
        assert self.failure is None, repr(self.failure)

    def _ask(self, text: str) -> None:
        kind = "threads.create"
        params: dict[str, object] = {"input": message(text)}
        if self.thread_id:
            kind, params = "threads.add_user_message", {**params, "thread_id": self.thread_id}
        headers = {"parlour-resume": "1", "idempotency-key": text} if self._resumes else None
        events: list[JsonObject] = []
        after = 0
        with self.visitor.streaming(kind, headers, **params) as stream:
            whole = self._read(stream, events)
        while not whole:
            after = int(stream.ids[-1].rpartition(":")[2]) if stream.ids else after
            self.resumed += 1
            with self.visitor.resuming(turn := stream.turn_id, after) as stream:
                assert stream.turn_id == turn
                whole = self._read(stream, events)
        self.thread_id = self.thread_id or thread_of(events)
        assert text_of(events) == WHOLE

    def _read(self, stream: Stream, events: list[JsonObject]) -> bool:
        """Whether the answer was read to its end."""
        leaves = self._resumes and not events
        try:
            for event in stream:
                events.append(event)
                if event["type"] == "thread.item.done" and event["item"]["type"] == "user_message":
                    self.acknowledged.append(event["item"]["content"][0]["text"])
                if leaves and "word3 " in event.get("update", {}).get("delta", ""):
                    return False
        except httpx.HTTPError:
            if not self._resumes:
                raise
            return False
        return True


def test_a_rolling_restart_fails_no_request_and_loses_nothing(
    tmp_path: Path, postgresql: Postgresql, redis: Redis
) -> None:
    database = postgresql.new_database()
    asyncio.run(STORES.load(database).from_spec(database).migrate())
    spec: dict[str, object] = {"database_url": database, "redis_url": redis.url}
    with cluster(tmp_path, spec) as three:
        asking = [Asking(f"v{n}", three.url, resumes=n % 2 == 0) for n in range(6)]
        until(lambda: all(each.thread_id or each.failure for each in asking), "nobody is answered")
        codes = [three.restart(number) for number in range(3)]
        before = [len(each.acknowledged) for each in asking]
        until(
            lambda: all(
                len(each.acknowledged) > n or each.failure
                for each, n in zip(asking, before, strict=True)
            ),
            "it does not go on",
        )
        for each in asking:
            each.finish()
            items = each.visitor.items(each.thread_id)
            questions, answers = items[::2], items[1::2]
            assert [item["content"][0]["text"] for item in questions] == each.acknowledged
            assert [item["content"][0]["text"] for item in answers] == [WHOLE] * len(questions)
            assert len(set(each.acknowledged)) == len(each.acknowledged)
            each.visitor.close()
        assert codes == [0, 0, 0]
        assert sum(each.resumed for each in asking) > 3
        assert "Traceback" not in "".join(server.said for server in three.servers)
