"""Real databases for every test that asks for one, each started once a session, on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from parlour.stores import STORES
from tests.services.mariadb import Mariadb
from tests.services.mongodb import Mongodb
from tests.services.pgbouncer import Pgbouncer
from tests.services.postgresql import Postgresql
from tests.services.redis import Redis

DATABASES = ("sqlite", "postgresql", "mariadb", "mongodb")
"""Every kind of database that keeps what it is given."""


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    service = Postgresql(tmp_path_factory.mktemp("postgresql"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def pgbouncer(
    postgresql: Postgresql, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pgbouncer]:
    service = Pgbouncer(tmp_path_factory.mktemp("pgbouncer"), postgresql)
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    service = Mariadb(tmp_path_factory.mktemp("mariadb"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongodb]:
    service = Mongodb(tmp_path_factory.mktemp("mongodb"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    service = Redis(tmp_path_factory.mktemp("redis"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(params=DATABASES)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'chat.db'}"
    url: str = request.getfixturevalue(request.param).new_database()
    return url


@pytest.fixture
def database(empty_database: str) -> str:
    """The URL of a database with our schema and nothing in it, of each kind in turn."""
    asyncio.run(STORES.load(empty_database).from_spec(empty_database).migrate())
    return empty_database
