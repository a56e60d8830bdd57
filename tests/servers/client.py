"""A visitor's side of the protocol, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from parlour.protocol import JsonObject, parse


@dataclass
class Stream:
    """One streaming response: its events as they come, and the ids and comments between them."""

    response: httpx.Response
    ids: list[str] = field(default_factory=list)
    comments: int = 0

    @property
    def turn_id(self) -> str:
        return self.response.headers["parlour-turn"]

    def __post_init__(self) -> None:
        self._events = self._read()

    def __iter__(self) -> Iterator[JsonObject]:
        return self._events

    def _read(self) -> Iterator[JsonObject]:
        for line in self.response.iter_lines():
            if line.startswith("data: "):
                yield parse(line[6:])
            elif line.startswith("id: "):
                self.ids.append(line[4:])
            elif line.startswith(":"):
                self.comments += 1


class Visitor:
    """Somebody with a guest token, or with none."""

    def __init__(self, url: str, *, guest: bool = True) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=20)
        if guest:
            token = self.http.post("/session").json()["token"]
            self.http.headers["authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self.http.close()

    def post(self, kind: str, /, **params: object) -> httpx.Response:
        """One request, answered whole."""
        return self.http.post("/chatkit", json={"type": kind, "params": params})

    def json(self, kind: str, /, **params: object) -> JsonObject:
        """The JSON of a request that succeeds."""
        response = self.post(kind, **params)
        assert response.status_code == 200, response.text
        return parse(response.content)

    @contextmanager
    def streaming(
        self, kind: str, headers: dict[str, str] | None = None, /, **params: object
    ) -> Iterator[Stream]:
        """A streaming request, to be read as it comes; leaving closes the connection."""
        body = {"type": kind, "params": params}
        with self.http.stream("POST", "/chatkit", json=body, headers=headers) as response:
            assert response.status_code == 200, response.read()
            yield Stream(response)

    def events(
        self, kind: str, headers: dict[str, str] | None = None, /, **params: object
    ) -> list[JsonObject]:
        """All events of a streaming request."""
        with self.streaming(kind, headers, **params) as stream:
            return list(stream)

    @contextmanager
    def resuming(self, turn_id: str, after: int = 0) -> Iterator[Stream]:
        """A reader of a turn that runs already."""
        with self.http.stream("GET", f"/chatkit/turns/{turn_id}?after={after}") as response:
            assert response.status_code == 200, response.read()
            yield Stream(response)

    def ask(self, text: str, thread_id: str | None = None) -> list[JsonObject]:
        """A message in a new thread, or in this one."""
        if thread_id is None:
            return self.events("threads.create", input=message(text))
        return self.events("threads.add_user_message", thread_id=thread_id, input=message(text))

    def items(self, thread_id: str) -> list[JsonObject]:
        """The thread's items as it is loaded, oldest first."""
        loaded = self.json("items.list", thread_id=thread_id, order="asc", limit=100)
        data: list[JsonObject] = loaded["data"]
        return data


def message(text: str, **more: object) -> JsonObject:
    """A UserMessageInput."""
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}, **more}


def kinds(events: list[JsonObject]) -> list[str]:
    return [event["type"] for event in events]


def text_of(events: list[JsonObject]) -> str:
    """The assistant text that the deltas make."""
    deltas = (event["update"].get("delta", "") for event in events if "update" in event)
    return "".join(deltas)


def thread_of(events: list[JsonObject]) -> str:
    thread_id: str = events[0]["thread"]["id"]
    return thread_id
