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
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from parlour.protocol import JsonObject


@dataclass(frozen=True)
class Tokens:
    """Answer text, one chunk per token: the given ones, or words with the space before them."""

    text: str | Sequence[str]
    delay: float = 0.0

    def pieces(self) -> Sequence[str]:
        return split_words(self.text) if isinstance(self.text, str) else self.text


@dataclass(frozen=True)
class Echo:
    """The last user message as answer text."""

    delay: float = 0.0


@dataclass(frozen=True)
class Reasoning:
    text: str
    delay: float = 0.0


@dataclass(frozen=True)
class Refuse:
    text: str


@dataclass(frozen=True)
class ToolCall:
    """One function call, its arguments streamed in pieces of a few characters."""

    name: str
    arguments: JsonObject = field(default_factory=dict)
    call_id: str = "call_0123456789abcdef"


@dataclass(frozen=True)
class Fail:
    """A ``data: {"error": …}`` line in mid-stream, after which the stream ends."""

    message: str = "The server had an error while processing your request."
    type: str = "server_error"
    code: str | None = None


@dataclass(frozen=True)
class Comment:
    """An SSE comment, as proxies send to keep a connection alive."""

    text: str = "OPENROUTER PROCESSING"


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Stall:
    """Not one more byte until the client goes away."""


@dataclass(frozen=True)
class Cut:
    """The connection breaks here."""


@dataclass(frozen=True)
class Raw:
    """These bytes of the body as they are."""

    data: bytes


Step = Tokens | Echo | Reasoning | Refuse | ToolCall | Fail | Comment | Pause | Stall | Cut | Raw


class Reply:
    """A streamed answer: its steps, then the finish, the usage and ``[DONE]``.

    ``finish`` None leaves out the finishing chunk, ``done`` False leaves out ``[DONE]``; ``newline``
    is the line ending; ``split`` cuts the body into writes of so many bytes, wherever they fall.
    """

    def __init__(
        self,
        *steps: Step,
        finish: str | None = "stop",
        done: bool = True,
        newline: str = "\n",
        split: int | None = None,
    ) -> None:
        self.steps = steps
        self.calls = [step for step in steps if isinstance(step, ToolCall)]
        self.finish = "tool_calls" if self.calls and finish == "stop" else finish
        self.done = done
        self.newline = newline.encode()
        self.split = split


@dataclass(frozen=True)
class HttpError:
    """An HTTP error with a body shaped like OpenAI's, or ``html`` as a proxy would send it."""

    status: int
    message: str = "Something is wrong."
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: str | None = None
    html: str | None = None


@dataclass(frozen=True)
class Request:
    """A request as it came; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: JsonObject

    @property
    def messages(self) -> list[JsonObject]:
        return list(self.body.get("messages", ()))

    @property
    def last_user(self) -> str:
        """The text of the newest user message."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return content_text(message.get("content"))
        return ""


@dataclass(frozen=True)
class Disconnect:
    """A client that left in mid-answer, and how many tokens had been sent to it by then."""

    request: Request
    tokens: int
    at: float


Script = str | Reply | HttpError | Callable[[Request], "str | Reply | HttpError"]
Rule = tuple[Callable[[Request], bool], Script]


def split_words(text: str) -> list[str]:
    """Tokens as models make them: a word carries the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def content_text(content: object) -> str:
    """A message's text, whether it came as a string or as parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content or "")


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


class Frames:
    """Chunks of one streamed answer, as OpenAI words them."""

    def __init__(self, reply: Reply, request: Request) -> None:
        self.reply = reply
        options = request.body.get("stream_options") or {}
        self.usage = bool(options.get("include_usage"))
        self.base = {
            "id": "chatcmpl-0123456789",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": request.body.get("model", "test"),
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
        }

    def event(self, value: JsonObject) -> bytes:
        data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return b"data: " + data + self.reply.newline * 2

    def delta(self, delta: JsonObject, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self.base, "choices": [choice]}
        return self.event({**chunk, "usage": None} if self.usage else chunk)

    def ending(self, tokens: int) -> list[bytes]:
        frames = []
        if self.reply.finish is not None:
            frames.append(self.delta({}, self.reply.finish))
            if self.usage:
                frames.append(self.event({**self.base, "choices": [], "usage": usage(tokens)}))
        if self.reply.done:
            frames.append(b"data: [DONE]" + self.reply.newline * 2)
        return frames


def pieces_of(step: Tokens | Echo | Reasoning, request: Request) -> Sequence[str]:
    match step:
        case Tokens():
            return step.pieces()
        case Echo():
            return split_words(request.last_user)
        case Reasoning():
            return split_words(step.text)


def call_deltas(call: ToolCall, index: int) -> list[JsonObject]:
    """A call as it is streamed: the name with empty arguments, then the arguments in pieces."""
    arguments = json.dumps(call.arguments)
    head: JsonObject = {
        "index": index,
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    }
    pieces = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
    return [head, *({"index": index, "function": {"arguments": piece}} for piece in pieces)]


def usage(tokens: int) -> JsonObject:
    return {
        "prompt_tokens": 9,
        "completion_tokens": tokens,
        "total_tokens": 9 + tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def error_fields(error: HttpError | Fail) -> JsonObject:
    param = error.param if isinstance(error, HttpError) else None
    return {"message": error.message, "type": error.type, "param": param, "code": error.code}


def error_body(error: HttpError) -> JsonObject:
    return {"error": error_fields(error)}


def completion(reply: Reply, request: Request) -> JsonObject:
    """The same answer in one piece, for a request that does not stream."""
    said = [step for step in reply.steps if isinstance(step, Tokens | Echo)]
    message: JsonObject = {"role": "assistant", "content": None, "refusal": None}
    if said:
        message["content"] = "".join("".join(pieces_of(step, request)) for step in said)
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in reply.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish}
    base = Frames(reply, request).base
    return {**base, "object": "chat.completion", "choices": [choice], "usage": usage(len(said))}
