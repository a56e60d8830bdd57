"""Server processes for a test, none of which outlives it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Server
from tests.faults.witness import Witness

Serving = Callable[..., Server]
Arriving = Callable[..., Awaitable[Witness]]


@pytest.fixture
def chance() -> random.Random:
    """Chance with a seed that a failing test shows; ``PARLOUR_TEST_SEED`` repeats one."""
    seed = int(os.environ.get("PARLOUR_TEST_SEED") or random.randrange(10**6))
    sys.stdout.write(f"PARLOUR_TEST_SEED={seed}\n")
    return random.Random(seed)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Starts a server with these settings, in the test's folder."""
    servers: list[Server] = []

    def serve(**settings: object) -> Server:
        servers.append(Server(tmp_path, **settings))  # type: ignore[arg-type]
        return servers[-1].start()

    yield serve
    for server in servers:
        server.kill()


@pytest.fixture
async def arrive() -> AsyncIterator[Arriving]:
    """Brings a new visitor to a server."""
    visitors: list[Witness] = []

    async def arriving(url: str, *, silence: float = 20.0) -> Witness:
        visitors.append(await Witness.arrive(url, silence=silence))
        return visitors[-1]

    yield arriving
    for visitor in visitors:
        await visitor.close()
