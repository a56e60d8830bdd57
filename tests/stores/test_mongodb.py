"""What is peculiar to the MongoDB store: ends in several writes, its filters, its indexes, its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from parlour.stores.base import Store
from parlour.stores.contract import StoreContract
from parlour.stores.mongodb import MongodbStore
from tests.services.mongodb import Mongodb


@pytest.fixture
async def spec(mongodb: Mongodb) -> str:
    return mongodb.new_database()


@pytest.fixture
async def store(spec: str) -> AsyncIterator[MongodbStore]:
    store = MongodbStore.from_spec(spec)
    await store.migrate()
    await store.open()
    yield store
    await store.close()


class TestMongodb(StoreContract):
    @pytest.fixture
    def reopen(self, spec: str, store: Store) -> Callable[[], Store]:
        return lambda: MongodbStore.from_spec(spec)
