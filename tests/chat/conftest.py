"""An engine over a real SQLite file, without HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from parlour.chat.attachments import Attachments
from parlour.chat.engine import Engine, Limits
from parlour.files.local import LocalFiles
from parlour.stores.base import Store
from parlour.stores.sqlite import SqliteStore
from parlour.turnlog.memory import MemoryTurnLog
from tests.servers.answerers import Scripted

Opened = Callable[..., Awaitable[Engine]]


@pytest.fixture
def answerer() -> Scripted:
    return Scripted()


@pytest.fixture
async def opened(tmp_path: Path, answerer: Scripted) -> AsyncIterator[Opened]:
    """Opens engines on the same file, one after the other or side by side."""
    async with AsyncExitStack() as stack:

        async def open_engine(store: Store | None = None) -> Engine:
            store = store or SqliteStore.from_spec(f"sqlite:///{tmp_path / 'chat.db'}")
            files = LocalFiles(tmp_path / "files")
            engine = Engine(
                store=store,
                turnlog=MemoryTurnLog(),
                answerer=answerer,
                attachments=Attachments(store, files, secret="s" * 32, max_bytes=1000),
                limits=Limits(busy_wait=5.0),
            )
            await engine.open()
            stack.push_async_callback(engine.close)
            return engine

        yield open_engine


@pytest.fixture
async def engine(opened: Opened) -> Engine:
    return await opened()
