"""Turn logs on a real Redis, each as another process would have it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from parlour.turnlog.redis import RedisTurnLog
from tests.services.redis import Redis

Open = Callable[[], Awaitable[RedisTurnLog]]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that the test may break."""
    service = Redis(tmp_path, ours=True)
    service.start()
    yield service
    service.kill()


@asynccontextmanager
async def opening(url: str) -> AsyncIterator[Open]:
    """Opens turn logs on one Redis, each as another process would have it."""
    async with AsyncExitStack() as stack:

        async def open_one() -> RedisTurnLog:
            log = RedisTurnLog.from_spec(url)
            await log.open()
            stack.push_async_callback(log.close)
            return log

        yield open_one


@pytest.fixture
async def opened(own: Redis) -> AsyncIterator[Open]:
    async with opening(own.url) as open_one:
        yield open_one


@pytest.fixture
async def shared(redis: Redis) -> AsyncIterator[Open]:
    """On a Redis that other tests use too, and that is old enough to give threads at once."""
    async with opening(redis.url) as open_one:
        yield open_one
