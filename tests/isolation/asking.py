"""Every request there is, as a form to be filled with ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import httpx
from PIL import Image

from parlour.protocol import JsonObject

Build = Callable[[httpx.Client, dict[str, str], str], httpx.Request]
SIZE = 60
"""Bytes of every file that is announced before it comes."""


@dataclass(frozen=True, repr=False)
class Form:
    """A request and the kinds of ids it names; ``text`` is what its sender writes."""

    name: str
    ids: tuple[str, ...]
    build: Build

    def __repr__(self) -> str:
        return self.name


def protocol(kind: str, params: Callable[[dict[str, str], str], JsonObject], *ids: str) -> Form:
    """One of the 16 requests of the protocol; with a key where it streams."""

    def build(http: httpx.Client, given: dict[str, str], text: str) -> httpx.Request:
        body = {"type": kind, "params": params(given, text)}
        headers = {"parlour-resume": "1"}
        if "key" in given:
            headers["idempotency-key"] = given["key"]
        return http.build_request("POST", "/chatkit", json=body, headers=headers)

    return Form(kind, ids, build)


def written(given: dict[str, str], text: str) -> JsonObject:
    """A message, with an attachment if there is one to attach."""
    content = [{"type": "input_text", "text": text}]
    files = [given["attachment"]] if "attachment" in given else []
    return {"content": content, "attachments": files, "inference_options": {}}


def item(given: dict[str, str], text: str) -> JsonObject:
    return {"thread_id": given["thread"], "item_id": given["item"]}


def pressed(given: dict[str, str], text: str) -> JsonObject:
    return {**item(given, text), "action": {"type": "press", "payload": {"said": text}}}


def address(method: str, path: str, *ids: str) -> Form:
    """A request for an address with ids in it."""

    def build(http: httpx.Client, given: dict[str, str], text: str) -> httpx.Request:
        content = text.ljust(SIZE).encode() if method == "PUT" else None
        return http.build_request(method, path.format(**given), content=content)

    return Form(f"{method} {path}", ids, build)


def upload(kind: str, content: Callable[[str], bytes]) -> Form:
    """A file in one step."""

    def build(http: httpx.Client, given: dict[str, str], text: str) -> httpx.Request:
        files = {"file": (f"{text}.{kind}", content(text))}
        return http.build_request("POST", "/uploads", files=files)

    return Form(f"POST /uploads ({kind})", (), build)


def picture(text: str) -> bytes:
    """A picture of one dot."""
    out = BytesIO()
    Image.new("RGB", (1, 1)).save(out, "PNG")
    return out.getvalue()


FORMS = (
    protocol("threads.create", lambda g, t: {"input": written(g, t)}),
    protocol("threads.create", lambda g, t: {"input": written(g, t)}, "attachment"),
    protocol("threads.create", lambda g, t: {"input": written(g, t)}, "key"),
    protocol(
        "threads.add_user_message",
        lambda g, t: {"thread_id": g["thread"], "input": written(g, t)},
        "thread",
    ),
    protocol(
        "threads.add_user_message",
        lambda g, t: {"thread_id": g["thread"], "input": written(g, t)},
        "thread",
        "attachment",
        "key",
    ),
    protocol(
        "threads.add_client_tool_output",
        lambda g, t: {"thread_id": g["thread"], "result": {"said": t}},
        "thread",
    ),
    protocol(
        "threads.add_structured_input",
        lambda g, t: {**item(g, t), "input": {"answers": {"q": {"values": [t]}}}},
        "thread",
        "item",
    ),
    protocol("threads.retry_after_item", item, "thread", "item"),
    protocol("threads.custom_action", pressed, "thread", "item"),
    protocol("threads.sync_custom_action", pressed, "thread", "item"),
    protocol("threads.get_by_id", lambda g, t: {"thread_id": g["thread"]}, "thread"),
    protocol("threads.list", lambda g, t: {"limit": 2, "after": g["thread"]}, "thread"),
    protocol("threads.list", lambda g, t: {"limit": 100}),
    protocol(
        "items.list",
        lambda g, t: {"thread_id": g["thread"], "limit": 2, "after": g["item"]},
        "thread",
        "item",
    ),
    protocol(
        "items.feedback",
        lambda g, t: {"thread_id": g["thread"], "item_ids": [g["item"]], "kind": "positive"},
        "thread",
        "item",
    ),
    protocol(
        "attachments.create",
        lambda g, t: {"name": f"{t}.txt", "size": SIZE, "mime_type": "text/plain"},
    ),
    protocol("attachments.delete", lambda g, t: {"attachment_id": g["attachment"]}, "attachment"),
    protocol("threads.update", lambda g, t: {"thread_id": g["thread"], "title": t}, "thread"),
    protocol("threads.delete", lambda g, t: {"thread_id": g["thread"]}, "thread"),
    protocol("input.transcribe", lambda g, t: {"audio_base64": "YWJj", "mime_type": "audio/mp4"}),
    address("GET", "/chatkit/turns/{turn}?after=0", "turn"),
    address("POST", "/chatkit/turns/{turn}/stop", "turn"),
    address("PUT", "/uploads/{attachment}?sig={signature}", "attachment", "signature"),
    address("GET", "/files/{attachment}?sig={signature}", "attachment", "signature"),
    address("GET", "/api/history"),
    address("GET", "/api/history?before={thread}", "thread"),
    address("GET", "/api/history/{thread}", "thread"),
    address("GET", "/api/history/{thread}?before={item}", "thread", "item"),
    address("GET", "/files/{attachment}", "attachment"),
    upload("txt", str.encode),
    upload("png", picture),
)
