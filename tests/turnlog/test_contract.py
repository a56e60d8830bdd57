"""Every turn log in the table keeps the contract, without ever blocking the loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import blockbuster_ctx

from parlour.turnlog import TURNLOGS
from parlour.turnlog.base import TurnLog
from parlour.turnlog.contract import TurnLogContract


async def opened(spec: str) -> TurnLog:
    log = TURNLOGS.load(spec).from_spec(spec)
    await log.open()
    return log


class TestEveryTurnLog(TurnLogContract):
    @pytest.fixture(params=["memory", "redis"])
    def spec(self, request: pytest.FixtureRequest) -> str:
        if request.param == "memory":
            return "memory"
        url: str = request.getfixturevalue("redis").url
        return url

    @pytest.fixture
    async def log(self, spec: str) -> AsyncIterator[TurnLog]:
        log = await opened(spec)
        yield log
        await log.close()

    @pytest.fixture
    async def other(self, spec: str, log: TurnLog) -> AsyncIterator[TurnLog]:
        if spec == "memory":
            yield log
            return
        other = await opened(spec)
        yield other
        await other.close()

    @pytest.fixture(autouse=True)
    def nothing_blocks(self, log: TurnLog) -> Iterator[None]:
        with blockbuster_ctx():
            yield
