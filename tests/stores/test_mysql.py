"""What is peculiar to MySQL and MariaDB: their URLs, their errors, TLS, their modes, their schema."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

from parlour.errors import ConfigurationError, SchemaOutdated, StoreUnavailable
from parlour.protocol import encode, now
from parlour.stores import STORES
from parlour.stores.base import StoreOptions, Thread
from parlour.stores.contract_turns import ADA, filled, ids, message
from parlour.stores.mysql import MysqlStore
from parlour.stores.schema import REVISIONS, threads, version
from tests.services.certificate import make_certificate
from tests.services.mariadb import Mariadb
from tests.services.running import free_port, own


@pytest.fixture
def spec(mariadb: Mariadb) -> str:
    return mariadb.new_database()


@pytest.fixture
async def store(spec: str) -> AsyncIterator[MysqlStore]:
    store = MysqlStore.from_spec(spec)
    await store.migrate()
    await store.open()
    yield store
    await store.close()


async def refused(spec: str, options: StoreOptions | None = None) -> StoreUnavailable:
    """What a server says that cannot use its database, and when it asks for the schema."""
    store = MysqlStore.from_spec(spec, options or StoreOptions(timeout=5))
    for attempt in (store.schema(), store.migrate(), store.open()):
        with pytest.raises(StoreUnavailable) as refused:
            await attempt
        assert "hunter2" not in f"{refused.value.body()} {refused.value.__cause__!r}"
    await store.close()
    return refused.value


async def run(store: MysqlStore, *statements: str) -> None:
    """Runs them on one connection, whose session they may change."""

    def work(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await store._database.write(work)


# -- the URL -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+asyncmy"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "charset=utf8&serverVersion=8.0.32",
        "ssl-mode=DISABLED&connect_timeout=7&connection_limit=4",
        "sslmode=disable&application_name=chat",
        "ssl=false&pool_size=3&max_overflow=0&collation=utf8mb4_general_ci",
    ],
)
async def test_urls_are_taken_as_people_have_them(spec: str, scheme: str, query: str) -> None:
    url = f"{spec.replace('mysql', scheme, 1)}?{query}"
    assert (await STORES.load(url).from_spec(url).schema()).current is None


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:hunter2@host/",
        "mysql://ada:hunter2@one,two/name",
        "mysql://ada:hunter2@host:port/name",
        "mysql://ada:hunter2@host:65536/name",
        "mysql://ada:1/hunter2@host",
        "mysql://ada:hunter2@host/name?ssl-mode=yes",
        "mysql://ada:hunter2@host/name?ssl-ca=/nowhere.pem",
        "mysql://ada:hunter2@host/name?connect_timeout=soon",
        "mysql://ada:hunter2@host/name?local_infile=1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        MysqlStore.from_spec(url)
    assert "hunter2" not in f"{refused.value.body()}"
    assert refused.value.hint != ConfigurationError.hint


# -- what goes wrong -----------------------------------------------------------------------------


async def test_what_is_wrong_with_the_address_is_said(spec: str, mariadb: Mariadb) -> None:
    told = await refused(f"mysql://ada:hunter2@127.0.0.1:{free_port()}/name")
    assert "cannot be reached" in told.message
    assert "127.0.0.1" in told.message
    told = await refused(f"{spec}_nowhere")
    assert "no such database" in told.message
    host = spec.partition("@")[2]
    told = await refused(f"mysql://nobody:hunter2@{host}")
    assert "does not let this user in" in told.message
    assert "DATABASE_URL" in told.hint


async def test_visitors_are_not_told_where_the_database_is(store: MysqlStore) -> None:
    await run(store, "DROP TABLE parlour_items")
    with pytest.raises(StoreUnavailable, match="doesn't exist") as refused:
        await filled(store, "a secret")
    told = f"{refused.value.body()} {refused.value.__cause__}"
    assert "127.0.0.1" not in told
    assert "a secret" not in told


async def test_a_deadlock_is_run_again(store: MysqlStore) -> None:
    """Two transactions that lock two threads in turn: the server ends one of them."""
    for thread_id in ("thr_1", "thr_2"):
        await store.add_thread(ADA, Thread(thread_id, now()))
    attempts = 0

    async def cross(first: str, second: str) -> None:
        nonlocal attempts

        def work(connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            lock = text("UPDATE parlour_threads SET next_seq = next_seq + 1 WHERE id = :id")
            connection.execute(lock, {"id": first.encode()})
            connection.execute(text("SELECT sleep(0.3)"))
            connection.execute(lock, {"id": second.encode()})

        await store._database.write(work)

    await asyncio.gather(cross("thr_1", "thr_2"), cross("thr_2", "thr_1"))
    assert attempts > 2


# -- text ----------------------------------------------------------------------------------------


async def test_whatever_the_servers_modes_text_is_exact(store: MysqlStore, spec: str) -> None:
    """A quote cannot end a string where backslashes mean nothing; nothing is cut where that is fine."""
    modes = "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH'"
    await run(store, f"SET GLOBAL sql_mode = {modes}")
    other = MysqlStore.from_spec(spec)
    try:
        await other.open()
        odd = "a\\' OR 1=1 -- \\"
        await filled(other, odd, "b")
        item = message("c", "\\' \" \\\\ % \u0000 👍 " + "ä" * 100_000)
        await other.add_item(ADA, "thr_1", item)
        assert await ids(other) == [odd, "b", "c"]
        assert (await other.load_item(ADA, "thr_1", "c")).data == encode(item).decode()
    finally:
        await other.close()
        await run(store, "SET GLOBAL sql_mode = DEFAULT")


# -- schema --------------------------------------------------------------------------------------


async def test_a_schema_is_never_made_by_opening(spec: str) -> None:
    store = MysqlStore.from_spec(spec)
    for revision in (None, REVISIONS[0]):
        if revision is not None:
            await store.migrate(revision)
        with pytest.raises(SchemaOutdated) as refused:
            await store.open()
        assert "parlour db upgrade" in refused.value.hint
        assert (await store.schema()).current == revision


@pytest.mark.parametrize("revision", [None, REVISIONS[0]])
async def test_who_waits_for_a_change_of_the_schema_sees_all_of_it(
    spec: str, revision: str | None
) -> None:
    stores = MysqlStore.from_spec(spec), MysqlStore.from_spec(spec)
    if revision is not None:
        await stores[0].migrate(revision)

    def slowly(_connection: Connection) -> None:
        await_only(asyncio.sleep(0.2))

    event.listen(Engine, "commit", slowly)
    try:
        await asyncio.gather(*(each.migrate() for each in stores))
    finally:
        event.remove(Engine, "commit", slowly)
    assert (await stores[0].schema()).is_current


async def test_tables_that_a_killed_process_left_half_made_are_made_whole(spec: str) -> None:
    store = MysqlStore.from_spec(spec)

    def half(connection: Connection) -> None:
        version.create(connection)
        threads.create(connection)

    await store._database.migrate(half)
    await store.migrate()
    await store.open()
    await filled(store, "a")
    assert await ids(store) == ["a"]
    await store.close()


# -- encryption ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mariadb, Path]]:
    """A server that speaks TLS with a certificate of its own, and that certificate."""
    folder = tmp_path_factory.mktemp("encrypted")
    certificate, key = make_certificate(folder / "tls")
    service = Mariadb(folder / "server", f"--ssl-cert={certificate}", f"--ssl-key={key}")
    if service.given:
        pytest.skip("A server that runs already keeps its own settings.")
    for part in ("tls", "server"):
        own(folder / part, "mysql")
    shutil.chown(key, "mysql")
    service.start()
    yield service, certificate
    service.kill()


async def test_encryption_is_used_and_certificates_are_checked_as_asked(
    encrypted: tuple[Mariadb, Path],
) -> None:
    service, certificate = encrypted
    spec = await asyncio.to_thread(service.new_database)

    def uses_tls(connection: Connection) -> bool:
        return bool(connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1])

    for query, expected in (
        ("", False),
        ("ssl-mode=REQUIRED", True),
        ("ssl=true", True),
        (f"ssl-mode=VERIFY_IDENTITY&ssl-ca={certificate}", True),
        (f"ssl_ca={certificate}", True),
        ("sslaccept=accept_invalid_certs", True),
    ):
        store = MysqlStore.from_spec(f"{spec}?{query}")
        await store.migrate()
        await store.open()
        assert await store._database.read(uses_tls) is expected, query
        await store.close()
    for query in ("ssl-mode=VERIFY_IDENTITY", 'ssl={"rejectUnauthorized":true}'):
        told = await refused(f"{spec}?{query}")
        assert "encrypted connection" in told.message
        assert "ssl-ca" in told.hint


async def test_a_server_without_tls_is_refused_when_it_is_asked_for(mariadb: Mariadb) -> None:
    spec = await asyncio.to_thread(mariadb.new_database)
    told = await refused(f"{spec}?ssl-mode=REQUIRED")
    assert "encrypted connection" in told.message
