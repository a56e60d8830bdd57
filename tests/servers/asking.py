"""A visitor's requests to an engine that runs in the test's own loop."""

from __future__ import annotations

from parlour.chat.engine import Answered, Engine, Running
from parlour.context import Caller, RequestContext
from parlour.protocol import JsonObject, encode, parse
from parlour.turnlog.base import EventEntry
from tests.servers.client import message

CALLER = Caller("guest:one")
CONTEXT = RequestContext(CALLER)


async def start(engine: Engine, kind: str, /, **params: object) -> str:
    """Starts a turn and gives back its id."""
    running = await engine.handle(encode({"type": kind, "params": params}), CONTEXT)
    assert isinstance(running, Running)
    return running.turn_id


async def ask(engine: Engine, text: str, thread: str | None = None) -> str:
    """Starts the turn that answers a message."""
    if thread is None:
        return await start(engine, "threads.create", input=message(text))
    return await start(engine, "threads.add_user_message", thread_id=thread, input=message(text))


async def read(engine: Engine, turn: str) -> list[JsonObject]:
    """Every event of a turn, to its end; pieces of text as ``{"delta": …}``."""
    events: list[JsonObject] = []
    async for batch in engine.read(CALLER.owner, turn):
        for entry in batch:
            if isinstance(entry, EventEntry):
                events.append(parse(entry.data))
            else:
                events.append({"type": "text", "delta": entry.delta})
    return events


async def first(engine: Engine, turn: str, kind: str) -> JsonObject:
    """Reads a turn up to its first event of this type."""
    async for batch in engine.read(CALLER.owner, turn):
        for entry in batch:
            if isinstance(entry, EventEntry) and parse(entry.data)["type"] == kind:
                return parse(entry.data)
    raise AssertionError(f"no {kind} came")


async def answered(engine: Engine, kind: str, /, **params: object) -> JsonObject:
    """The JSON of a request that is answered at once."""
    result = await engine.handle(encode({"type": kind, "params": params}), CONTEXT)
    assert isinstance(result, Answered)
    return parse(result.body)


async def items(engine: Engine, thread: str) -> list[JsonObject]:
    """The thread's items, oldest first."""
    page = await answered(engine, "items.list", thread_id=thread, order="asc", limit=100)
    data: list[JsonObject] = page["data"]
    return data
