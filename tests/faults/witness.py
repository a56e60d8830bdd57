"""A visitor who remembers what was seen, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import msgspec

from parlour.protocol import JsonObject, encode, parse
from tests.servers.client import message
from tests.servers.dictated import Order


class Refusal(Exception):
    """A request that was answered with an error; its code."""


LOST = (aiohttp.ClientError, OSError, TimeoutError)
"""What a visitor's side knows of a connection that broke."""


@dataclass
class Seen:
    """What a visitor saw of one answer. Times are ``time.monotonic()``.

    ``to`` is the thread it was sent to, None for a new one. ``done`` are the items acknowledged, in
    order; ``read`` says how much of an item's text had been read when; ``ended`` is a stream that
    came to its proper end; ``refused`` the code of a request that was answered with an error
    instead of a stream.
    """

    order: Order
    thread: str | None = None
    to: str | None = None
    turn: str | None = None
    last: int = 0
    asked_at: float = 0.0
    over_at: float = float("inf")
    retry: bool = False
    done: list[JsonObject] = field(default_factory=list)
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    texts: dict[str, list[str]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    read: list[tuple[float, str, int]] = field(default_factory=list)
    errors: list[JsonObject] = field(default_factory=list)
    ended: bool = False
    refused: str | None = None
    attachments: tuple[str, ...] = ()
    broken: str | None = None
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def question(self) -> JsonObject | None:
        """The question as it was acknowledged."""
        return next((item for item in self.done if item["type"] == "user_message"), None)

    @property
    def marks(self) -> list[str]:
        return [item["outcome"] for item in self.done if "outcome" in item]

    @property
    def over(self) -> bool:
        """Nothing more is being read of it."""
        return self.over_at < float("inf")

    @property
    def finished(self) -> bool:
        """The visitor was shown an answer that ended well: everything announced was done."""
        open_still = self.added - {item["id"] for item in self.done} - self.removed
        return self.ended and not (self.errors or self.marks or open_still)

    def text_by(self, moment: float) -> dict[str, str]:
        """The text of each item that had been read at that moment."""
        lengths = {item: length for at, item, length in self.read if at <= moment}
        return {item: "".join(self.texts[item])[:length] for item, length in lengths.items()}

    @property
    def length(self) -> int:
        """Characters of the answer that have been read."""
        return sum(self.lengths.values())

    async def until(self, holds: Callable[[Seen], bool], patience: float = 20) -> None:
        """Returns when this holds of what was seen, or the stream is over."""
        async with asyncio.timeout(patience):
            while not holds(self) and not self.over:
                self.grew.clear()
                await self.grew.wait()

    def take(self, event: JsonObject) -> None:
        """One event of the stream."""
        self.grew.set()
        match event["type"]:
            case "thread.created":
                self.thread = event["thread"]["id"]
            case "thread.item.added":
                self.added.add(event["item"]["id"])
            case "thread.item.done" | "thread.item.replaced":
                self._acknowledge(event["item"])
            case "thread.item.removed":
                self.removed.add(event["item_id"])
            case "thread.item.updated" if "delta" in event["update"]:
                item, delta = event["item_id"], event["update"]["delta"]
                self.texts.setdefault(item, []).append(delta)
                self.lengths[item] = self.lengths.get(item, 0) + len(delta)
                self.read.append((time.monotonic(), item, self.lengths[item]))
            case "error":
                self.errors.append(event)

    def _acknowledge(self, item: JsonObject) -> None:
        self.removed.discard(item["id"])
        known = [each["id"] for each in self.done]
        if item["id"] in known:
            self.done[known.index(item["id"])] = item
        else:
            self.done.append(item)


class Witness:
    """One visitor: asks, reads, and keeps everything that was seen, thread by thread."""

    def __init__(self, token: str, *, silence: float = 20.0) -> None:
        self.token = token
        self.seen: list[Seen] = []
        self.deleting: set[str] = set()
        """Threads that may be gone: their deletion was asked for."""
        self.deleted: set[str] = set()
        self.elsewhere: set[str] = set()
        """Names of orders that somebody else answered, in words of his own."""
        self.http = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=silence),
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
        )

    @classmethod
    async def arrive(cls, url: str, *, silence: float = 20.0) -> Witness:
        """A new guest of the server."""
        async with aiohttp.ClientSession() as http, http.post(f"{url}/session") as response:
            return cls((await response.json())["token"], silence=silence)

    async def close(self) -> None:
        await self.http.close()

    def expect(self, order: Order, thread: str | None = None) -> Seen:
        """Remembers that this is asked; what is seen of it goes into the result."""
        seen = Seen(order, thread, to=thread, asked_at=time.monotonic())
        self.seen.append(seen)
        return seen

    async def ask(self, url: str, order: Order, thread: str | None = None) -> Seen:
        """Asks, and reads to the end, or to the end of the connection."""
        seen = self.expect(order, thread)
        await self.put(url, seen)
        return seen

    async def put(
        self, url: str, seen: Seen, *, key: str | None = None, resume: bool = True
    ) -> None:
        """The request for what ``expect`` gave back."""
        given = message(seen.order.text(), attachments=list(seen.attachments))
        body: JsonObject = {"type": "threads.create", "params": {"input": given}}
        if seen.to is not None:
            params = {"thread_id": seen.to, "input": given}
            body = {"type": "threads.add_user_message", "params": params}
        await self.stream(url, body, seen, key=key, resume=resume)

    def begin(
        self, url: str, order: Order, thread: str | None = None
    ) -> tuple[Seen, asyncio.Task[None]]:
        """Asks without waiting."""
        seen = self.expect(order, thread)
        return seen, asyncio.create_task(self.put(url, seen))

    async def retry(self, url: str, asked: Seen) -> Seen:
        """The same question, answered again."""
        assert asked.question
        seen = self.expect(asked.order, asked.thread)
        seen.retry = True
        params = {"thread_id": asked.thread, "item_id": asked.question["id"]}
        await self.stream(url, {"type": "threads.retry_after_item", "params": params}, seen)
        return seen

    async def stream(
        self,
        url: str,
        body: JsonObject,
        seen: Seen,
        *,
        key: str | None = None,
        resume: bool = True,
    ) -> None:
        """A streaming request, read into ``seen``; never raises for a connection that breaks."""
        headers = {"content-type": "application/json"}
        if resume:
            headers["parlour-resume"] = "1"
        if key:
            headers["idempotency-key"] = key
        seen.broken = seen.refused = None
        seen.over_at = float("inf")
        try:
            async with self.http.post(
                f"{url}/chatkit", data=encode(body), headers=headers
            ) as response:
                await self._read(response, seen)
        except LOST as lost:
            seen.broken = repr(lost)
        finally:
            seen.over_at = time.monotonic()
            seen.grew.set()

    async def resume(self, url: str, seen: Seen) -> None:
        """Reads on where the connection broke."""
        seen.broken = seen.refused = None
        seen.over_at = float("inf")
        try:
            address = f"{url}/chatkit/turns/{seen.turn}?after={seen.last}"
            async with self.http.get(address) as response:
                await self._read(response, seen)
        except LOST as lost:
            seen.broken = repr(lost)
        finally:
            seen.over_at = time.monotonic()
            seen.grew.set()

    async def post(self, url: str, kind: str, /, **params: object) -> JsonObject:
        """The JSON of a request; an error's body has ``error``."""
        body = encode({"type": kind, "params": params})
        async with self.http.post(f"{url}/chatkit", data=body) as response:
            answer = parse(await response.read())
            answer["parlour_turn"] = response.headers.get("parlour-turn")
            return answer

    async def stop(self, url: str, seen: Seen) -> int:
        """Asks for the answer to stop; the status of the response."""
        async with self.http.post(f"{url}/chatkit/turns/{seen.turn}/stop") as response:
            return response.status

    async def upload(self, url: str, data: bytes) -> str:
        """A file, in two steps; its id."""
        given = {"name": "note.txt", "mime_type": "text/plain", "size": len(data)}
        made = await self.post(url, "attachments.create", **given)
        if "error" in made:
            raise Refusal(made["error"]["code"])
        address = f"{url}{urlsplit(made['upload_descriptor']['url'])._replace(scheme='', netloc='').geturl()}"
        async with self.http.put(address, data=data) as response:
            if response.status >= 300:
                raise Refusal(str(response.status))
        return str(made["id"])

    async def items(self, url: str, thread: str) -> list[JsonObject]:
        """Every item of a thread, oldest first."""
        return await self._all(url, "items.list", thread_id=thread)

    async def threads(self, url: str) -> list[JsonObject]:
        """Every thread of the visitor."""
        return await self._all(url, "threads.list")

    async def _all(self, url: str, kind: str, **params: object) -> list[JsonObject]:
        found: list[JsonObject] = []
        after: str | None = None
        while True:
            page = await self.post(url, kind, order="asc", limit=100, after=after, **params)
            if "error" in page:
                raise Refusal(page["error"]["code"])
            found += page["data"]
            after = page.get("after")
            if not page["has_more"]:
                return found

    async def _read(self, response: aiohttp.ClientResponse, seen: Seen) -> None:
        if response.status != 200:
            self._refused(await response.read(), response.status, seen)
            return
        seen.turn = response.headers["parlour-turn"]
        held, number = b"", 0
        async for data, _ in response.content.iter_chunks():
            *lines, held = (held + data).split(b"\n")
            for line in lines:
                if line.startswith(b"id: "):
                    number = int(line.rpartition(b":")[2])
                elif line.startswith(b"data: ") and (number > seen.last or not number):
                    seen.take(parse(line[6:]))
                    seen.last = max(seen.last, number)
        seen.ended = True

    def _refused(self, body: bytes, status: int, seen: Seen) -> None:
        try:
            error = parse(body)["error"]
        except (msgspec.DecodeError, KeyError, TypeError):
            seen.refused = str(status)
            return
        seen.refused = error["code"]
        # An Idempotency-Key whose turn has ended: the error says where the answer stands.
        seen.thread = error.get("thread_id", seen.thread)
