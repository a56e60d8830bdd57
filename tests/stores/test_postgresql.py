"""What is peculiar to PostgreSQL: its URLs, its errors, TLS, its schema and its partitions."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Connection, text

from parlour.errors import ConfigurationError, SchemaOutdated, StoreUnavailable
from parlour.stores import STORES
from parlour.stores.base import StoreOptions
from parlour.stores.contract_turns import filled, ids
from parlour.stores.postgresql import PostgresqlStore
from parlour.stores.schema import HEAD, REVISIONS
from tests.services.certificate import make_certificate
from tests.services.postgresql import Postgresql
from tests.services.running import free_port, own


@pytest.fixture
def spec(postgresql: Postgresql) -> str:
    return postgresql.new_database()


@pytest.fixture
async def store(spec: str) -> AsyncIterator[PostgresqlStore]:
    store = PostgresqlStore.from_spec(spec)
    await store.migrate()
    await store.open()
    yield store
    await store.close()


async def refused(spec: str, options: StoreOptions | None = None) -> StoreUnavailable:
    """What a server says that cannot use its database, and when it asks for the schema."""
    store = PostgresqlStore.from_spec(spec, options or StoreOptions(timeout=5))
    for attempt in (store.schema(), store.migrate(), store.open()):
        with pytest.raises(StoreUnavailable) as refused:
            await attempt
        assert "hunter2" not in f"{refused.value.body()} {refused.value.__cause__!r}"
    await store.close()
    return refused.value


def at(spec: str, login: str = "", host: str = "", database: str = "", query: str = "") -> str:
    """The same URL with something else in it."""
    rest = spec.partition("://")[2].partition("?")[0]
    where, _, name = rest.partition("/")
    old_login, _, old_host = where.rpartition("@")
    new = f"postgresql://{login or old_login}@{host or old_host}/{database or name}"
    return f"{new}?{query}" if query else new


# -- the URL -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgres+x"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "sslmode=disable",
        "sslmode=prefer&channel_binding=prefer",
        "ssl=false&application_name=my%20chat&connect_timeout=7",
        "schema=public&pgbouncer=true&connection_limit=3&pool_timeout=9",
        "serverVersion=16&charset=utf8",
        "options=-c%20statement_timeout%3D9000",
        "statement_cache_size=0&gssencmode=disable&target_session_attrs=read-write",
    ],
)
async def test_urls_are_taken_as_people_have_them(spec: str, scheme: str, query: str) -> None:
    url = at(spec, query=query).replace("postgresql", scheme, 1)
    store = STORES.load(url).from_spec(url)
    assert (await store.schema()).current is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2@host/",
        "postgresql://ada:hunter2@host",
        "postgresql://ada:hunter2#@host/name",
        "postgresql://ada:hunter2/x@host/name",
        "postgresql://ada:hunter2@[host/name",
        "postgresql://ada:hunter2@host/name?sslmode=yes",
        "postgresql://ada:hunter2@host/name?channel_binding=maybe",
        "postgresql://ada:hunter2@host/name?connect_timeout=soon",
        "postgresql://ada:hunter2@host/name?statement_timeuot=5",
        "postgresql://ada:hunter2@host:port/name",
        "postgresql://ada:hunter2@host:65536/name",
        "postgresql://ada:1/hunter2@host",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PostgresqlStore.from_spec(url)
    assert "hunter2" not in f"{refused.value.body()}"
    assert refused.value.hint != ConfigurationError.hint


async def test_a_password_may_have_any_character(spec: str, postgresql: Postgresql) -> None:
    if postgresql.given:
        pytest.skip("Nobody may be added to a server that runs already.")
    connection = await asyncpg.connect(spec)
    with suppress(asyncpg.DuplicateObjectError):
        await connection.execute("CREATE ROLE locked LOGIN")
    await connection.execute("ALTER ROLE locked PASSWORD 'p@ss:w/rd#%?é'")
    await connection.close()
    right = at(spec, login="locked:p%40ss%3Aw%2Frd%23%25%3F%C3%A9")
    assert (await PostgresqlStore.from_spec(right).schema()).current is None
    told = await refused(at(spec, login="locked:hunter2"))
    assert "password" in told.message
    assert "DATABASE_URL" in told.hint


# -- what goes wrong -----------------------------------------------------------------------------


async def test_a_database_that_is_not_there_is_named(spec: str) -> None:
    told = await refused(at(spec, database="nowhere"))
    assert "no such database" in told.message
    assert "nowhere at 127.0.0.1" in told.message


async def test_a_server_that_is_not_there_is_named(spec: str) -> None:
    host = f"127.0.0.1:{free_port()}"
    told = await refused(at(spec, login="ada:hunter2", host=host))
    assert "cannot be reached" in told.message
    assert host in told.message
    told = await refused(at(spec, login="ada:hunter2", host="nowhere.invalid"))
    assert "nowhere.invalid" in told.message


async def test_a_server_that_never_answers_is_not_waited_for_longer(spec: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        told = await refused(at(spec, host=host), StoreOptions(timeout=0.2))
    assert "in time" in told.message


async def test_a_database_that_takes_no_writes_fails_its_check(
    store: PostgresqlStore, spec: str
) -> None:
    await filled(store, "a")
    reading = at(spec, query="options=-c%20default_transaction_read_only%3Don")
    broken = PostgresqlStore.from_spec(reading)
    await broken.open()
    with pytest.raises(StoreUnavailable, match="no writes") as refused:
        await broken.check()
    assert "primary" in refused.value.hint
    await broken.close()
    replica = PostgresqlStore.from_spec(reading, StoreOptions(read_only=True))
    await replica.open()
    await replica.check()
    assert await ids(replica) == ["a"]
    await replica.close()


async def test_visitors_are_not_told_where_the_database_is(store: PostgresqlStore) -> None:
    def drop(connection: Connection) -> None:
        connection.execute(text("DROP TABLE parlour_items"))

    await store._database.write(drop)
    with pytest.raises(StoreUnavailable, match="does not exist") as refused:
        await filled(store, "a secret")
    told = f"{refused.value.body()} {refused.value.__cause__}"
    assert "127.0.0.1" not in told
    assert "a secret" not in told


# -- schema --------------------------------------------------------------------------------------


async def test_a_schema_is_never_made_by_opening(spec: str) -> None:
    store = PostgresqlStore.from_spec(spec)
    for revision in (None, REVISIONS[0]):
        if revision is not None:
            await store.migrate(revision)
        with pytest.raises(SchemaOutdated) as refused:
            await store.open()
        assert "parlour db upgrade" in refused.value.hint
        assert (await store.schema()).current == revision
    await store.migrate()
    await store.open()
    await store.close()


async def test_a_changed_schema_does_not_break_who_is_connected(
    store: PostgresqlStore, spec: str
) -> None:
    """A prepared statement whose columns changed is prepared anew."""
    await filled(store, "a")
    for _ in range(3):
        await store.load_thread("guest:ada", "thr_1")

    def change(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE parlour_threads ALTER COLUMN title TYPE varchar(99)"))

    other = PostgresqlStore.from_spec(spec)
    await other.open()
    await other._database.write(change)
    await other.close()
    assert (await store.load_thread("guest:ada", "thr_1")).id == "thr_1"


@pytest.mark.parametrize("first", [None, "0001"])
async def test_items_are_partitioned_when_the_tables_are_made(spec: str, first: str | None) -> None:
    store = PostgresqlStore.from_spec(spec, StoreOptions(partitions=3))
    await store.migrate(first)
    await store.migrate()
    assert (await store.schema()).current == HEAD
    connection = await asyncpg.connect(spec)
    kind = await connection.fetchval("SELECT relkind FROM pg_class WHERE relname = 'parlour_items'")
    parts = await connection.fetchval(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'parlour_items'::regclass"
    )
    assert (kind, parts) == (b"p", 3)
    await store.open()
    await filled(store, "a", "b")
    assert await ids(store) == ["a", "b"]
    await store.close()
    await store.migrate("base")
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
    )
    assert left == 0
    await connection.close()


async def test_tables_may_have_a_schema_of_their_own(spec: str) -> None:
    connection = await asyncpg.connect(spec)
    await connection.execute("CREATE SCHEMA chat; CREATE TABLE parlour_threads (mine int)")
    for name in ("schema", "search_path"):
        store = PostgresqlStore.from_spec(at(spec, query=f"{name}=chat"))
        await store.migrate("0001")
        await store.migrate()
        await store.open()
        await filled(store, "a")
        assert await ids(store) == ["a"]
        await store.close()
        assert await connection.fetchval("SELECT count(*) FROM chat.parlour_threads") == 1
        await store.migrate("base")
        assert (await store.schema()).current is None
    assert await connection.fetchval("SELECT count(*) FROM parlour_threads") == 0
    await connection.close()


# -- encryption ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Postgresql, Path]]:
    """A server that speaks TLS with a certificate of its own, and that certificate."""
    folder = tmp_path_factory.mktemp("encrypted")
    certificate, key = make_certificate(folder / "tls")
    service = Postgresql(
        folder / "server", "ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}"
    )
    if service.given:
        pytest.skip("A server that runs already keeps its own settings.")
    own(folder / "tls", "postgres")
    own(folder / "server", "postgres")
    shutil.chown(key, "postgres")
    service.start()
    yield service, certificate
    service.kill()


async def test_encryption_is_used_and_certificates_are_checked_as_asked(
    encrypted: tuple[Postgresql, Path],
) -> None:
    service, certificate = encrypted
    spec = await asyncio.to_thread(service.new_database)

    def uses_tls(connection: Connection) -> bool:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        return bool(connection.scalar(text(query)))

    for query, expected in (
        ("sslmode=require", True),
        ("ssl=true", True),
        ("", True),
        (f"sslmode=verify-full&sslrootcert={certificate}", True),
        (f"sslmode=require&channel_binding=require&sslrootcert={certificate}", True),
        ("sslmode=disable", False),
    ):
        store = PostgresqlStore.from_spec(at(spec, query=query))
        await store.migrate()
        await store.open()
        assert await store._database.read(uses_tls) is expected, query
        await store.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    encrypted: tuple[Postgresql, Path],
) -> None:
    """Without the binding that keeps a server in between away, its certificate must be good."""
    spec = await asyncio.to_thread(encrypted[0].new_database)
    told = await refused(at(spec, query="sslmode=require&channel_binding=require"))
    assert "not trusted" in told.message
    assert "sslrootcert" in told.hint


async def test_a_server_without_tls_is_refused_when_it_is_asked_for(spec: str) -> None:
    told = await refused(at(spec, query="sslmode=require"))
    assert "TLS" in told.message
    assert "sslmode=disable" in told.hint


def test_a_certificate_file_that_is_missing_is_named() -> None:
    url = "postgresql://host/name?sslmode=verify-full&sslrootcert=/nowhere.crt"
    with pytest.raises(ConfigurationError, match=r"/nowhere\.crt"):
        PostgresqlStore.from_spec(url)
