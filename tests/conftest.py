"""Real databases for every test that asks for one, each started once a session, on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

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
def services() -> Iterator[Path]:
    """A folder that other users may enter; pytest closes its own whenever another run begins."""
    with TemporaryDirectory(prefix="parlour-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _folder(services: Path, name: str) -> Path:
    folder = services / name
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def postgresql(services: Path) -> Iterator[Postgresql]:
    service = Postgresql(_folder(services, "postgresql"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def pgbouncer(postgresql: Postgresql, services: Path) -> Iterator[Pgbouncer]:
    service = Pgbouncer(_folder(services, "pgbouncer"), postgresql)
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def mariadb(services: Path) -> Iterator[Mariadb]:
    service = Mariadb(_folder(services, "mariadb"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def mongodb(services: Path) -> Iterator[Mongodb]:
    service = Mongodb(_folder(services, "mongodb"))
    service.start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def redis(services: Path) -> Iterator[Redis]:
    service = Redis(_folder(services, "redis"))
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
