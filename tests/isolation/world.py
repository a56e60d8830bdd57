"""A real server, the people who visit it, and all that is known of who owns what."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from parlour.app import create_app
from parlour.errors import NotFound
from parlour.identity.base import COOKIE
from parlour.protocol import JsonObject
from parlour.settings import Settings
from parlour.stores import STORES
from parlour.stores.base import Store
from tests.isolation.answering import Various
from tests.servers.serving import serving

T = TypeVar("T")
ID = re.compile(r"\b(thr|msg|tc|wf|tsk|atc|shcx|trn)_[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:\+00:00|Z)?")
VARYING = re.compile(r"guest_[\w.-]+|(?<=sig=)[\w.-]+|(?<=\"W/\")[0-9a-f]+")
PREFIX = {"thread": "thr", "item": "msg", "attachment": "atc", "turn": "trn"}


@dataclass
class Owned:
    """What one person has; ``keys`` are Idempotency-Keys used, ``signatures`` those of addresses."""

    thread: list[str] = field(default_factory=list)
    item: list[str] = field(default_factory=list)
    attachment: list[str] = field(default_factory=list)
    turn: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    signature: list[str] = field(default_factory=list)


class Person:
    """Somebody with a guest token; nobody's, for a newcomer who has nothing at all."""

    def __init__(self, name: str, url: str, *, newcomer: bool = False) -> None:
        self.name = name
        self.newcomer = newcomer
        self.mark = f"{name}-{uuid4().hex}"
        """In everything this person writes, and so in every answer to it."""
        self.owns = Owned()
        self.http = httpx.Client(base_url=url, timeout=20)
        self.owner = ""
        if not newcomer:
            token = self.http.post("/session").json()["token"]
            self.http.headers["authorization"] = f"Bearer {token}"
            self.owner = "guest:" + token.split(".")[0].removeprefix("guest_")

    def send(self, request: httpx.Request) -> httpx.Response:
        """The whole response; an answer that waits is left to itself after its first words."""
        response = self.http.send(request, stream=True)
        body = b""
        try:
            for piece in response.iter_raw():
                body += piece
                if b"You said: wait" in body:
                    break
        finally:
            response.close()
            self.http.cookies.clear()  # or a newcomer would be the same guest from then on
        return httpx.Response(response.status_code, headers=response.headers, content=body)


@dataclass
class World:
    """One server with one store."""

    url: str
    answerer: Various

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.answerer.loop).result(20)

    def dump(self, person: Person) -> JsonObject:
        """Everything that is this person's, read past the server, when nothing of it moves."""
        end = time.monotonic() + 10
        while True:
            found = self.run(dump(self.answerer.store, person))
            if len(found["turns"]) == self.answerer.waiting[person.owner]:
                return found
            assert time.monotonic() < end, f"{person.name}'s turns do not come to rest"
            time.sleep(0.002)


async def dump(store: Store, person: Person) -> JsonObject:
    """Everything a store has of this person."""
    owner = person.owner
    found: JsonObject = {"threads": [], "items": [], "attachments": [], "turns": []}
    page = await store.list_threads(owner, limit=1000)
    for thread in page.data:
        found["threads"].append(thread)
        rows = await store.list_items(owner, thread.id, limit=1000, order="asc", hidden=True)
        found["items"] += rows.data
    for key in person.owns.attachment:
        with suppress(NotFound):
            found["attachments"].append(await store.load_attachment(owner, key))
    running = await store.running_turns()
    found["turns"] = sorted(turn.id for turn in running if turn.owner == owner)
    return found


@contextmanager
def world(spec: str, home: Path) -> Iterator[World]:
    """A server on the store that the spec names."""
    answerer = Various()
    settings = Settings(home=home, busy="refuse", max_upload_bytes=1000)
    store = STORES.load(spec).from_spec(spec)
    with serving(create_app(settings, answerer=answerer, store=store)) as url:
        yield World(url, answerer)


def anonymous(response: httpx.Response, *ids: str) -> str:
    """A response as text, with these ids, and whatever is new each time, made alike."""
    headers = {k: v for k, v in response.headers.items() if k not in ("date", "set-cookie", "etag")}
    cookie = COOKIE in response.headers.get("set-cookie", "")
    text = f"{response.status_code} {sorted(headers.items())} cookie={cookie}\n{response.text}"
    for number, each in enumerate(ids):
        text = text.replace(each, f"<id {number}>")
    text = ID.sub(r"<\1>", text)
    return VARYING.sub("<…>", TIME.sub("<time>", text))


def never(kind: str) -> str:
    """An id that nobody has ever had."""
    return f"{PREFIX[kind]}_{uuid4().hex}" if kind in PREFIX else uuid4().hex
