"""Every turn log in the table keeps the contract, without ever blocking the loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import blockbuster_ctx

from parlour.turnlog import TURNLOGS
from parlour.turnlog.base import TurnLog
from parlour.turnlog.contract import TurnLogContract


class TestEveryTurnLog(TurnLogContract):
    @pytest.fixture(params=["memory"])
    async def log(self, request: pytest.FixtureRequest) -> AsyncIterator[TurnLog]:
        log = TURNLOGS.load(request.param).from_spec(request.param)
        yield log
        await log.close()

    @pytest.fixture(autouse=True)
    def nothing_blocks(self, log: TurnLog) -> Iterator[None]:
        with blockbuster_ctx():
            yield
