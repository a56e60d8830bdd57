"""Every store of the table keeps the promise."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from parlour.stores import STORES
from parlour.stores.base import Store
from parlour.stores.contract import StoreContract


class TestEveryStore(StoreContract):
    @pytest.fixture(params=["memory", "sqlite"])
    def spec(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        name: str = request.param
        return os.environ.get(f"PARLOUR_TEST_{name.upper()}", f"{name}:///{tmp_path}/test.db")

    @pytest.fixture
    async def store(self, spec: str) -> AsyncIterator[Store]:
        store = STORES.load(spec).from_spec(spec)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    def reopen(self, spec: str, store: Store) -> Callable[[], Store]:
        if not store.durable:
            pytest.skip("This store does not outlive its process.")
        return lambda: STORES.load(spec).from_spec(spec)
