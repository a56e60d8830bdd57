"""What the Chat Completions server can be told to say, and how OpenAI words it on the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
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


def split_words(text: str) -> list[str]:
    """Tokens as models make them: a word carries the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def content_text(content: object) -> str:
    """A message's text, whether it came as a string or as parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content or "")


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
