"""Two engines around one server: OpenAI's, and ours; and a visitor who talks to either alike."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from chatkit.actions import Action
from chatkit.types import (
    SyncCustomActionResponse,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
)

from parlour.protocol import JsonObject, encode
from tests.hosted_servers.scripted import Context, Respond, ScriptedServer, spoken
from tests.servers.client import Stream, Visitor, message
from tests.traps.official import OfficialStore

Events = AsyncIterator[ThreadStreamEvent]
Act = Callable[["Stage", ThreadMetadata, WidgetItem, Context], AsyncIterator[ThreadStreamEvent]]


def hello(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, context: Context
) -> Events:
    """Two words."""
    return spoken(thread, new_message(server, thread, context), "Hello ", "there.")


def new_message(server: ScriptedServer, thread: ThreadMetadata, context: Context) -> str:
    """An id for a message, from the server's store."""
    return server.store.generate_item_id("message", thread, context)


class Stage(ScriptedServer):
    """A server whose parts a test writes; it knows when an answer has ended, and can be held."""

    def __init__(self) -> None:
        super().__init__(hello)
        self.reset()

    def reset(self) -> None:
        """Everything as at first."""
        self.script: Respond = hello
        self.act: Act | None = None
        self.sync: Callable[[WidgetItem], WidgetItem] | None = None
        self.go_on = threading.Event()
        self.seen: list[Any] = []
        self.thumbs = 0

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: Context,
    ) -> Events:
        assert self.act is not None
        assert sender is not None
        async for event in self.act(self, thread, sender, context):
            yield event

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: Context,
    ) -> SyncCustomActionResponse:
        assert self.sync is not None
        assert sender is not None
        return SyncCustomActionResponse(updated_item=self.sync(sender))

    async def add_feedback(self, *_: object, **__: object) -> None:
        self.thumbs += 1


@dataclass
class Heard:
    """All that came of a streaming request; ``cut`` when the body ended before it was complete."""

    status: int = 0
    events: list[JsonObject] = field(default_factory=list)
    cut: bool = False

    @property
    def told(self) -> bool:
        """The visitor was told that it failed, in the protocol's words or HTTP's."""
        return 400 <= self.status < 500 or any(e["type"] == "error" for e in self.events)

    @property
    def failed(self) -> bool:
        return self.told or self.cut


class Person(Visitor):
    """A visitor who hears a body that is cut off, too."""

    def hear(self, kind: str, headers: dict[str, str] | None = None, /, **params: object) -> Heard:
        """Everything up to the end, whatever that is."""
        heard = Heard()
        body = {"type": kind, "params": params}
        try:
            with self.http.stream("POST", "/chatkit", json=body, headers=headers) as response:
                heard.status = response.status_code
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        heard.events.append(httpx.Response(200, text=line[6:]).json())
        except httpx.RemoteProtocolError:
            heard.cut = True
        return heard

    def say(self, text: str, thread: str | None = None) -> Heard:
        """A message in this thread, or in a new one."""
        if thread is None:
            return self.hear("threads.create", input=message(text))
        return self.hear("threads.add_user_message", thread_id=thread, input=message(text))

    def texts(self, thread: str) -> list[str]:
        """What the thread's messages say, after a reload."""
        return [text_in(item) for item in self.items(thread) if "content" in item]

    def kinds(self, thread: str) -> list[str]:
        """The types of the thread's items, after a reload; marks of ours left out."""
        return [item["type"] for item in self.items(thread) if "outcome" not in item]


def text_in(item: JsonObject) -> str:
    return "".join(part["text"] for part in item["content"])


@contextmanager
def promise(official: bool) -> Iterator[None]:
    """What holds with ours, and not with the official engine: there it has to fail."""
    if not official:
        yield
        return
    with pytest.raises(AssertionError):
        yield


@dataclass
class Engine:
    """One of the two, with the stage it hosts."""

    url: str
    stage: Stage
    store: OfficialStore | None = None
    """OpenAI's; None is ours."""
    people: list[Person] = field(default_factory=list)

    @property
    def official(self) -> bool:
        return self.store is not None

    def person(self) -> Person:
        """Somebody nobody has seen before."""
        person = Person(self.url, guest=not self.official)
        if self.official:
            person.http.headers["x-user"] = uuid4().hex
        self.people.append(person)
        return person

    def promise(self) -> AbstractContextManager[None]:
        """What holds with ours, and has to fail with the official engine."""
        return promise(self.official)

    def wait(self, true: Callable[[], bool]) -> None:
        """Fails unless it becomes true: soon enough, where nothing is going to happen any more."""
        end = time.monotonic() + (0.4 if self.official else 15)
        while not true():
            assert time.monotonic() < end, "it has not come true"
            time.sleep(0.02)

    def left(self) -> None:
        """Everybody goes home."""
        for person in self.people:
            person.close()
        self.people.clear()


@contextmanager
def left_unread(engine: Engine, person: Person) -> Iterator[None]:
    """A question whose answer nobody reads; at the end the connection is closed."""
    body = encode({"type": "threads.create", "params": {"input": message("go")}})
    own = {"authorization", "x-user"} & set(person.http.headers)
    lines = ["POST /chatkit HTTP/1.1", "host: x", f"content-length: {len(body)}"]
    lines += [f"{name}: {person.http.headers[name]}" for name in own]
    address = urlsplit(engine.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.hostname, address.port))
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        yield


def until(stream: Stream, word: str) -> list[JsonObject]:
    """What was read up to this word."""
    seen: list[JsonObject] = []
    for event in stream:
        seen.append(event)
        if word in str(event):
            return seen
    raise AssertionError("the answer ended by itself")
