"""Every store of the table keeps the promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from parlour.stores import STORES
from parlour.stores.base import Store, StoreOptions
from parlour.stores.contract import StoreContract
from parlour.stores.schema import metadata
from parlour.stores.sql import SqlStore
from tests.conftest import DATABASES

ENTRIES = ("memory", *DATABASES, "pgbouncer", "partitions")
OPTIONS = {"partitions": StoreOptions(partitions=4)}

Specs = dict[str, str]


@pytest.fixture(scope="module")
def servers() -> Specs:
    """A database with our schema on each server, which the tests take turns with."""
    return {}


class TestEveryStore(StoreContract):
    @pytest.fixture(params=ENTRIES)
    def open_store(
        self, request: pytest.FixtureRequest, tmp_path: Path, servers: Specs
    ) -> Callable[[], Store]:
        """Makes a store on the same empty database each time."""
        kind: str = request.param
        options = OPTIONS.get(kind, StoreOptions())
        if kind in ("memory", "sqlite"):
            spec = f"{kind}:///{tmp_path}/test.db"
        elif kind in servers:
            spec = servers[kind]
        else:
            service = request.getfixturevalue("postgresql" if kind == "partitions" else kind)
            spec = service.new_database()
            asyncio.run(STORES.load(spec).from_spec(spec, options).migrate())
            if kind != "mongodb":
                servers[kind] = spec
        return lambda: STORES.load(spec).from_spec(spec, options)

    @pytest.fixture
    async def store(self, open_store: Callable[[], Store]) -> AsyncIterator[Store]:
        store = open_store()
        await store.open()
        if isinstance(store, SqlStore):
            await store._database.write(empty)
        yield store
        await store.close()

    @pytest.fixture
    def reopen(self, open_store: Callable[[], Store], store: Store) -> Callable[[], Store]:
        if not store.durable:
            pytest.skip("This store does not outlive its process.")
        return open_store


def empty(connection: Connection) -> None:
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))


def test_every_entry_of_the_table_is_tested() -> None:
    aliases = {"postgres": "postgresql", "mysql": "mariadb"}
    assert {aliases.get(name, name) for name in STORES} <= set(ENTRIES)
