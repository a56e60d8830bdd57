"""Every identity in the table keeps the contract, without ever blocking the loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx

from parlour.identity import IDENTITY
from parlour.identity.contract import IdentityContract, OpenIdentity


class TestEveryIdentity(IdentityContract):
    @pytest.fixture(params=sorted(IDENTITY))
    def open_identity(self, request: pytest.FixtureRequest) -> OpenIdentity:
        identity = IDENTITY.load(request.param)
        return lambda secret: identity.from_spec("", secret=secret)

    @pytest.fixture(autouse=True)
    def nothing_blocks(self, open_identity: OpenIdentity) -> Iterator[None]:
        with blockbuster_ctx():
            yield
