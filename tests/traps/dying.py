"""A server in a process of its own, to be killed: ``python -m tests.traps.dying ENGINE HOME PORT``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn
from chatkit.types import ThreadItemAddedEvent, ThreadMetadata, UserMessageItem
from starlette.types import ASGIApp

from tests.hosted_servers.scripted import Context, ScriptedServer, delta, message
from tests.traps.engines import Events, new_message


async def talking(
    server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, context: Context
) -> Events:
    """A long answer, a word at a time."""
    item_id = new_message(server, thread, context)
    yield ThreadItemAddedEvent(item=message(thread, item_id))
    for number in range(2000):
        yield delta(item_id, f"w{number} ")
        await asyncio.sleep(0.005)


def app(engine: str, home: Path) -> ASGIApp:
    """The talking server in this engine."""
    server = ScriptedServer(talking)
    if engine == "official":
        from tests.traps.official import OfficialStore, official_app

        server.store = OfficialStore(home / "chat.db")
        return official_app(server)
    from parlour.app import create_app
    from parlour.settings import Settings

    return create_app(Settings(home=home), server=server)


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1], Path(sys.argv[2])), port=int(sys.argv[3]), log_level="error")
