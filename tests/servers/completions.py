"""A scriptable server that speaks OpenAI's Chat Completions over HTTP/1.1.

    async with CompletionsServer() as server:
        server.script(Reply(Tokens("Hello there", delay=0.02)))
        ...  # point a client at server.url
        server.requests[-1].messages

A reply may be a string, a ``Reply`` of steps, an ``HttpError``, or a function of the request. Replies
are used in order and the last one repeats; ``when`` answers matching requests before the script is
looked at. Without a script the server echoes the last user message. It runs in a thread of its own,
so a busy test never slows it and a sync test can use it with a plain ``with``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from parlour.protocol import JsonObject
from tests.servers.replies import (
    Comment,
    Cut,
    Echo,
    Fail,
    Frames,
    HttpError,
    Pause,
    Raw,
    Reasoning,
    Refuse,
    Reply,
    Request,
    Stall,
    Step,
    Tokens,
    ToolCall,
    call_deltas,
    completion,
    error_body,
    error_fields,
    pieces_of,
    split_words,
)

__all__ = [
    "Comment",
    "CompletionsServer",
    "Cut",
    "Disconnect",
    "Echo",
    "Fail",
    "HttpError",
    "Pause",
    "Raw",
    "Reasoning",
    "Refuse",
    "Reply",
    "Request",
    "Stall",
    "Step",
    "Tokens",
    "ToolCall",
]


@dataclass(frozen=True)
class Disconnect:
    """A client that left in mid-answer, and how many tokens had been sent to it by then."""

    request: Request
    tokens: int
    at: float


Script = str | Reply | HttpError | Callable[[Request], "str | Reply | HttpError"]
Rule = tuple[Callable[[Request], bool], Script]


class ClientLeft(Exception):
    """The client closed the connection before the answer had ended."""


class CompletionsServer:
    """The server; ``url`` is what a client takes as its base URL."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.disconnects: list[Disconnect] = []
        self.connections = 0
        self.port = 0
        self._script: list[Script] = [Reply(Echo())]
        self._rules: list[Rule] = []
        self._next = 0
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._live: set[Exchange] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *replies: Script) -> None:
        """Answers with these from now on, in order; the last one repeats."""
        self._script, self._next = list(replies), 0

    def when(self, matches: Callable[[Request], bool], reply: Script) -> None:
        """Answers matching requests with this, whatever the script says."""
        self._rules.append((matches, reply))

    def choose(self, request: Request) -> Reply | HttpError:
        """The reply to this request; counts it."""
        self.requests.append(request)
        for matches, reply in self._rules:
            if matches(request):
                return as_reply(reply, request)
        reply = self._script[min(self._next, len(self._script) - 1)]
        self._next += 1
        return as_reply(reply, request)

    async def disconnected(self, timeout: float = 2.0) -> Disconnect:
        """The first client that left in mid-answer; fails when none has after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not self.disconnects:
            assert time.monotonic() < deadline, "no client disconnected"
            await asyncio.sleep(0.01)
        return self.disconnects[0]

    def __enter__(self) -> CompletionsServer:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the server did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join(10)

    async def __aenter__(self) -> CompletionsServer:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.__exit__)

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        for exchange in list(self._live):
            exchange.writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        exchange = Exchange(self, reader, writer)
        self._live.add(exchange)
        try:
            while await exchange.serve_one():
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ClientLeft):
            pass
        finally:
            self._live.discard(exchange)
            writer.close()


def as_reply(script: Script, request: Request) -> Reply | HttpError:
    if callable(script):
        script = script(request)
    return Reply(Tokens(script)) if isinstance(script, str) else script


class Exchange:
    """One connection: requests in, answers out."""

    def __init__(
        self, server: CompletionsServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.tokens = 0

    async def serve_one(self) -> bool:
        """Answers the next request; False when the connection is done with."""
        try:
            request = await self._read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        if request.path.endswith("/models"):
            self._send_json(200, {"object": "list", "data": []})
            return True
        if not request.path.endswith("/chat/completions"):
            self._send_json(404, error_body(HttpError(404, f"Unknown path {request.path}")))
            return True
        reply = self.server.choose(request)
        if isinstance(reply, HttpError):
            self._send_error(reply)
        elif request.body.get("stream"):
            return await self._stream(reply, request)
        else:
            self._send_json(200, completion(reply, request))
        return True

    async def _read(self) -> Request:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Request(first.split(" ")[1], headers, json.loads(body or b"{}"))

    def _head(self, status: int, kind: str, *more: str) -> None:
        lines = [f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}", f"content-type: {kind}"]
        self.writer.write("\r\n".join([*lines, *more, "", ""]).encode())

    def _send(self, status: int, kind: str, body: bytes, *more: str) -> None:
        self._head(status, kind, f"content-length: {len(body)}", *more)
        self.writer.write(body)

    def _send_json(self, status: int, body: JsonObject, *more: str) -> None:
        self._send(status, "application/json", json.dumps(body).encode(), *more)

    def _send_error(self, error: HttpError) -> None:
        more = [f"retry-after: {error.retry_after}"] if error.retry_after else []
        if error.html is not None:
            self._send(error.status, "text/html; charset=utf-8", error.html.encode(), *more)
        else:
            self._send_json(error.status, error_body(error), *more)

    async def _stream(self, reply: Reply, request: Request) -> bool:
        self.tokens = 0
        self._head(
            200,
            "text/event-stream; charset=utf-8",
            "cache-control: no-cache",
            "transfer-encoding: chunked",
            "x-request-id: req_0123456789",
        )
        try:
            async for data in self._body(reply, request):
                for start in range(0, len(data), reply.split or len(data) or 1):
                    await self._chunk(data[start : start + (reply.split or len(data))])
                    if reply.split:
                        await self._wait(0.001)
        except (ClientLeft, ConnectionError):
            self.server.disconnects.append(Disconnect(request, self.tokens, time.monotonic()))
            return False
        if any(isinstance(step, Cut) for step in reply.steps):
            return False
        self.writer.write(b"0\r\n\r\n")
        return True

    async def _chunk(self, data: bytes) -> None:
        self._check()
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    def _check(self) -> None:
        gone = self.reader.at_eof() or self.reader.exception() is not None
        if gone or self.writer.transport.is_closing():
            raise ClientLeft

    async def _wait(self, seconds: float) -> None:
        """Sleeps, and notices within 10 ms that the client has gone."""
        deadline = time.monotonic() + seconds
        while True:
            self._check()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.01))

    async def _body(self, reply: Reply, request: Request) -> AsyncIterator[bytes]:
        frames = Frames(reply, request)
        calls = itertools.count()
        yield frames.delta({"role": "assistant", "content": "", "refusal": None})
        for step in reply.steps:
            match step:
                case Tokens() | Echo() | Reasoning():
                    key = "reasoning_content" if isinstance(step, Reasoning) else "content"
                    for piece in pieces_of(step, request):
                        await self._wait(step.delay)
                        self.tokens += 1
                        yield frames.delta({key: piece})
                case Refuse(text):
                    for piece in split_words(text):
                        yield frames.delta({"refusal": piece})
                case ToolCall():
                    for delta in call_deltas(step, next(calls)):
                        yield frames.delta({"tool_calls": [delta]})
                case Fail():
                    yield frames.event({"error": error_fields(step)})
                    return
                case Comment(text):
                    yield b": " + text.encode() + reply.newline * 2
                case Pause(seconds):
                    await self._wait(seconds)
                case Stall():
                    await self._wait(float("inf"))
                case Raw(data):
                    yield data
                case Cut():
                    await self.writer.drain()
                    self.writer.transport.close()
                    return
        for frame in frames.ending(self.tokens):
            yield frame
