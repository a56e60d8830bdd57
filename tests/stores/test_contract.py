"""Every store of the table keeps the promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from parlour.stores import STORES
from parlour.stores.base import Store, StoreOptions
from parlour.stores.contract import StoreContract
from tests.conftest import DATABASES

ENTRIES = ("memory", *DATABASES, "pgbouncer", "partitions")


class TestEveryStore(StoreContract):
    @pytest.fixture(params=ENTRIES)
    def open_store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
        """Makes a store on the same new database each time."""
        kind: str = request.param
        if kind in ("memory", "sqlite"):
            spec = f"{kind}:///{tmp_path}/test.db"
        else:
            service = "postgresql" if kind == "partitions" else kind
            spec = request.getfixturevalue(service).new_database()
        options = StoreOptions(partitions=4 if kind == "partitions" else 0)
        return lambda: STORES.load(spec).from_spec(spec, options)

    @pytest.fixture
    async def store(self, open_store: Callable[[], Store]) -> AsyncIterator[Store]:
        store = open_store()
        await store.migrate()
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    def reopen(self, open_store: Callable[[], Store], store: Store) -> Callable[[], Store]:
        if not store.durable:
            pytest.skip("This store does not outlive its process.")
        return open_store


def test_every_entry_of_the_table_is_tested() -> None:
    aliases = {"postgres": "postgresql", "mysql": "mariadb"}
    assert {aliases.get(name, name) for name in STORES} <= set(ENTRIES)
