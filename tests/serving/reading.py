"""Visitors who read in threads of their own while a test does something to their server."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

from parlour.protocol import JsonObject
from tests.servers.client import Visitor, message, text_of, thread_of

RESUMABLE = {"parlour-resume": "1"}
PATIENCE = 60.0


class Reader(threading.Thread):
    """Asks in a new thread and reads; ``wait_for_text`` returns when the answer has begun."""

    def __init__(self, visitor: Visitor, headers: dict[str, str] | None = None) -> None:
        super().__init__(daemon=True)
        self.visitor = visitor
        self.events: list[JsonObject] = []
        self.turn_id = ""
        self.broken: httpx.HTTPError | None = None
        self._headers = headers
        self._begun = threading.Event()
        self.start()

    @property
    def thread_id(self) -> str:
        return thread_of(self.events)

    @property
    def text(self) -> str:
        return text_of(self.events)

    def run(self) -> None:
        try:
            asked = message("hi")
            with self.visitor.streaming("threads.create", self._headers, input=asked) as stream:
                self.turn_id = stream.turn_id
                for event in stream:
                    self.events.append(event)
                    if "delta" in event.get("update", {}):
                        self._begun.set()
        except httpx.HTTPError as error:
            self.broken = error

    def wait_for_text(self) -> None:
        assert self._begun.wait(PATIENCE), "no answer has begun"

    def finish(self) -> None:
        """Returns when its stream has ended; nothing may have broken it."""
        self.join(PATIENCE)
        assert not self.is_alive(), "the stream does not end"
        assert self.broken is None


def again(visitor: Visitor, url: str) -> Visitor:
    """The same visitor at another address."""
    other = Visitor(url, guest=False)
    other.http.headers.update(visitor.http.headers)
    return other


def until(condition: Callable[[], bool], said: str) -> None:
    """Waits for something to become true."""
    pause, waited = threading.Event(), 0.0
    while not condition():
        assert waited < PATIENCE, said
        pause.wait(0.02)
        waited += 0.02
