"""Bytes from a client become one valid request, or an error that says what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast, get_args

import msgspec
from chatkit.types import ChatKitReq, NonStreamingReq, StreamingReq, is_streaming_req
from pydantic import TypeAdapter, ValidationError

from parlour.errors import BadRequest, MessageTooLong, UnknownRequestType
from parlour.protocol import JsonObject, parse

_adapter: TypeAdapter[Any] = TypeAdapter(ChatKitReq)


@dataclass(frozen=True, slots=True)
class Request:
    """One of the 16 request types; ``params`` holds valid JSON values, absent ones left out."""

    type: str
    params: JsonObject
    metadata: JsonObject
    streaming: bool

    def text(self, name: str) -> str:
        """A parameter that the protocol requires to be a string."""
        return str(self.params[name])


_TYPES: Final = frozenset(
    model.model_fields["type"].default
    for kind in (StreamingReq, NonStreamingReq)
    for model in get_args(kind)
)


def parse_request(body: bytes, *, max_message_chars: int) -> Request:
    """Reads a request; raises ``BadRequest``, ``UnknownRequestType`` or ``MessageTooLong``."""
    try:
        raw = parse(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
    if not isinstance(raw, dict):
        raise BadRequest("The body is not a JSON object.")
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise UnknownRequestType(
            f"There is no request type {kind!r}.", hint=f"Use one of: {', '.join(sorted(_TYPES))}."
        )
    _fill_input(raw.get("params"))
    try:
        model = _adapter.validate_python(raw)
        params = cast(JsonObject, model.params.model_dump(mode="json", exclude_none=True))
    except ValidationError as error:
        raise BadRequest(_explain(error)) from None
    except (ValueError, RecursionError):
        raise BadRequest("The request is nested too deeply.") from None
    if "action" in params:
        params["action"] = raw["params"]["action"]
    if "input" in params and "content" in params["input"]:
        _check_message(params["input"], max_message_chars)
    return Request(kind, params, model.metadata, is_streaming_req(model))


def _fill_input(params: object) -> None:
    """Puts in what the JS types leave out of a message and the Python types demand."""
    if not isinstance(params, dict) or not isinstance(given := params.get("input"), dict):
        return
    if isinstance(content := given.get("content"), list):
        for part in content:
            if isinstance(part, dict) and part.get("type") == "input_tag":
                part.setdefault("data", {})
        given.setdefault("attachments", [])
        given.setdefault("inference_options", {})


def _check_message(message: JsonObject, limit: int) -> None:
    size = sum(len(part.get("text", "")) for part in message["content"])
    if size > limit:
        raise MessageTooLong(f"The message has {size} characters; {limit} are allowed.")
    quoted = message.get("quoted_text")
    if quoted and len(quoted) > limit:
        raise MessageTooLong(f"The quoted text has {len(quoted)} characters; {limit} are allowed.")
    if not message["attachments"] and not any(
        part["type"] == "input_tag" or part["text"].strip() for part in message["content"]
    ):
        raise BadRequest("The message is empty.", hint="Send at least one part with text.")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"][1:]) or "the request"
    return f"{where}: {first['msg']}"
