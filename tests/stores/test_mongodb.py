"""What is peculiar to the MongoDB store: its filters, its indexes, its schema, its errors."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from pymongo import AsyncMongoClient, monitoring

from parlour.errors import (
    BadRequest,
    BodyTooLarge,
    ConfigurationError,
    ItemNotFound,
    ParlourError,
    SchemaOutdated,
    StoreUnavailable,
    ThreadNotFound,
)
from parlour.protocol import JsonObject, encode, now
from parlour.stores.base import Schema, StoreOptions, Thread
from parlour.stores.contract_turns import ADA, EVE, filled, ids, message, turn
from parlour.stores.mongodb import MongodbStore
from parlour.stores.mongodb_schema import ATTACHMENTS, HEAD, ITEMS, THREADS, TURNS
from tests.services.mongodb import Mongodb
from tests.services.running import free_port
from tests.stores.cut_connection import Relay
from tests.stores.test_sql import everything

# The driver forgets a socket that connects at the moment its client is closed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def forgotten_sockets() -> Iterator[None]:
    """Collected here, where nobody minds."""
    yield
    gc.collect()


@pytest.fixture
def spec(mongodb: Mongodb) -> str:
    return mongodb.new_database()


@pytest.fixture
async def store(spec: str) -> AsyncIterator[MongodbStore]:
    store = MongodbStore.from_spec(spec)
    await store.migrate()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def client(spec: str) -> AsyncIterator[AsyncMongoClient[JsonObject]]:
    """The driver itself, on the same database."""
    client: AsyncMongoClient[JsonObject] = AsyncMongoClient(spec)
    yield client
    await client.close()


# -- what is sent --------------------------------------------------------------------------------


class Sent(monitoring.CommandListener):
    """Keeps what any client sends while somebody listens."""

    def __init__(self) -> None:
        self.commands: list[JsonObject] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.commands is not None:
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to keep."""


SENT = Sent()
monitoring.register(SENT)  # for every client that is made from now on


@contextmanager
def sent() -> Iterator[list[JsonObject]]:
    SENT.commands = []
    try:
        yield SENT.commands
    finally:
        SENT.commands = None


def lookups(command: JsonObject) -> Iterator[tuple[str, Any, JsonObject]]:
    """The collection, filter and order of whatever a command looks for; inserts count as looking."""
    name, collection = next(iter(command.items()))
    match name:
        case "find":
            yield collection, command["filter"], dict(command.get("sort") or {})
        case "findAndModify":
            yield collection, command["query"], {}
        case "update":
            yield from ((collection, each["q"], {}) for each in command["updates"])
        case "delete":
            yield from ((collection, each["q"], {}) for each in command["deletes"])
        case "aggregate":
            yield collection, command["pipeline"][0]["$match"], {}
        case "insert":
            yield from ((collection, each, {"inserted": 1}) for each in command["documents"])
        case "getMore" | "ping" | "hello" | "endSessions" | "killCursors":
            return
        case _:
            raise AssertionError(f"What does {name} look for?")


async def test_every_filter_names_the_owner(store: MongodbStore) -> None:
    with sent() as commands:
        await everything(store)
    found = [each for command in commands for each in lookups(command)]
    assert len(found) > 80
    for collection, query, _ in found:
        assert collection.startswith("parlour_")
        # A grave's owner is the one it had.
        assert ADA in (query.get("owner"), query.get("gone_from")), (collection, query)


async def test_every_lookup_has_an_index_that_serves_it(
    store: MongodbStore, client: AsyncMongoClient[JsonObject]
) -> None:
    """The server of these tests cannot explain a plan; this reads the filters and the indexes."""
    with sent() as commands:
        await everything(store)
        await store.running_turns()
        await store.beat("server-1")
        await store.sweep(now())
    database = client.get_default_database()
    indexes: dict[str, list[list[str]]] = {}
    for name in ("threads", "items", "attachments", "turns"):
        known = await database[f"parlour_{name}"].index_information()
        indexes[f"parlour_{name}"] = [[key for key, _ in each["key"]] for each in known.values()]
    for command in commands:
        for collection, query, order in lookups(command):
            if "inserted" not in order:
                served = any(serves(index, query, order) for index in indexes[collection])
                assert served, (collection, query, order)


def serves(index: list[str], query: JsonObject, order: JsonObject) -> bool:
    """Whether an index begins with what is fixed, and goes on with what is sorted or bounded."""
    fixed = {name for name, value in query.items() if not isinstance(value, dict)}
    bounded = {name for name in query if name not in fixed}
    rest = list(index)
    while rest and rest[0] in fixed:
        rest.pop(0)
    if order:
        return len(rest) < len(index) and rest[: len(order)] == list(order)
    return len(rest) < len(index) or rest[0] in bounded


async def test_every_write_is_acknowledged_by_a_majority_and_on_its_disk(spec: str) -> None:
    """As the server is asked to; the one of these tests is alone."""
    for ending, wanted in (("", {"w": "majority", "j": True}), ("?w=1&journal=false", None)):
        store = MongodbStore.from_spec(spec + ending)
        await store.migrate()
        await store.open()
        with sent() as commands:
            await store.add_thread(ADA, Thread(f"thr_{len(ending)}", now()))
        await store.close()
        concerns = [command.get("writeConcern") for command in commands]
        assert concerns == [wanted or {"w": 1, "j": False}]


async def test_nothing_blocks_the_event_loop(spec: str) -> None:
    store = MongodbStore.from_spec(spec)
    # To make a client, the driver looks once whether it is in a container.
    await store.migrate()
    await store.open()
    with blockbuster_ctx():
        await everything(store)
        await store.check()
        await store.close()


# -- hostile words -------------------------------------------------------------------------------


async def test_an_operator_in_place_of_an_id_finds_nothing(store: MongodbStore) -> None:
    await filled(store, "a")
    anything: Any = {"$gt": ""}
    for call in (
        store.load_thread(ADA, anything),
        store.load_thread(anything, "thr_1"),
        store.load_item(ADA, "thr_1", anything),
        store.add_item(ADA, "thr_1", {"id": anything, "type": "task"}),
        store.list_items(ADA, "thr_1", limit=1, after=anything),
        store.list_threads(anything, limit=1),
        store.list_threads(ADA, limit=1, after=anything),
        store.save_feedback(ADA, "thr_1", [anything], "positive"),
        store.load_attachment(ADA, anything),
        store.delete_thread(ADA, anything),
        store.journal(ADA, anything, []),
        store.end_turn(ADA, anything, "finished"),
        store.retire_after(ADA, "thr_1", "a", anything),
    ):
        with pytest.raises(BadRequest):
            await call
    assert await ids(store) == ["a"]


async def test_any_text_is_an_id(store: MongodbStore) -> None:
    names = ["$where", '{"$gt": ""}', "a.b", "$", "nul\0", "nul\0l", "", "x" * 5000, "😀" * 2000]
    await filled(store, *names)
    assert await ids(store) == names
    for name in names:
        assert (await store.load_item(ADA, "thr_1", name)).id == name
        await store.add_thread(name, Thread(f"thr_of_{name}", now()))
        assert [t.id for t in (await store.list_threads(name, limit=9)).data] == [f"thr_of_{name}"]
    with pytest.raises(ParlourError):
        await store.load_thread(ADA, "\ud800")


async def test_a_document_near_the_limit_is_kept_and_one_beyond_it_is_refused(
    store: MongodbStore,
) -> None:
    await filled(store)
    large, larger = message("large", "x" * 15_900_000), message("larger", "x" * 17_000_000)
    await store.add_item(ADA, "thr_1", large)
    assert (await store.load_item(ADA, "thr_1", "large")).data == encode(large).decode()
    await store.begin_turn(turn())
    for call in (
        store.add_item(ADA, "thr_1", larger),
        store.save_item(ADA, "thr_1", larger),
        store.journal(ADA, "trn_1", [larger]),
        store.end_turn(ADA, "trn_1", "finished", [larger]),
        store.update_thread(ADA, "thr_1", {"title": "x" * 17_000_000}),
        store.save_attachment(ADA, {"id": "atc_1", "name": "x" * 17_000_000}),
    ):
        with pytest.raises(BodyTooLarge) as refused:
            await call
        assert "16 MB" in refused.value.hint
    assert await ids(store) == ["large"]
    # A turn that could not end still can.
    assert await store.end_turn(ADA, "trn_1", "failed", [message("b")]) == "failed"
    assert await ids(store) == ["large", "b"]


# -- schema --------------------------------------------------------------------------------------


async def test_a_database_without_our_schema_is_refused_with_the_command(spec: str) -> None:
    store = MongodbStore.from_spec(spec)
    with pytest.raises(SchemaOutdated) as refused:
        await store.open()
    assert "parlour db upgrade" in refused.value.hint
    assert (await store.schema()).current is None
    await store.migrate()
    assert (await store.schema()).is_current
    await store.open()
    await store.close()


async def test_a_database_of_a_newer_parlour_is_left_alone(
    store: MongodbStore, client: AsyncMongoClient[JsonObject]
) -> None:
    version = client.get_default_database()["parlour_schema"]
    await version.update_one({"_id": "schema"}, {"$set": {"revision": "9999"}})
    await store.close()
    for call in (store.open(), store.migrate()):
        with pytest.raises(SchemaOutdated, match="9999") as refused:
            await call
        assert "Install" in refused.value.hint
    assert (await store.schema()).current == "9999"


async def test_many_servers_make_the_schema_at_once_and_again(spec: str) -> None:
    stores = [MongodbStore.from_spec(spec) for _ in range(4)]
    await asyncio.gather(*(store.migrate() for store in stores))
    await asyncio.gather(*(store.open() for store in stores))
    await filled(stores[0], "a")
    await stores[1].migrate(HEAD)
    assert await ids(stores[1]) == ["a"]
    for store in stores:
        await store.close()


async def test_the_schema_has_exactly_its_indexes(
    store: MongodbStore, client: AsyncMongoClient[JsonObject]
) -> None:
    database = client.get_default_database()
    for name, models in (
        ("threads", THREADS),
        ("items", ITEMS),
        ("attachments", ATTACHMENTS),
        ("turns", TURNS),
    ):
        known = await database[f"parlour_{name}"].index_information()
        assert known.keys() - {"_id_"} == {model.document["name"] for model in models}


async def test_taking_the_schema_away_leaves_the_sites_own_collections(
    store: MongodbStore, client: AsyncMongoClient[JsonObject]
) -> None:
    database = client.get_default_database()
    await database["threads"].insert_one({"mine": 1})
    await filled(store, "a")
    with pytest.raises(ConfigurationError, match="0042"):
        await store.migrate("0042")
    await store.migrate("base")
    assert (await store.schema()) == Schema(None, HEAD, (HEAD,), (await store.schema()).lost)
    assert await database.list_collection_names() == ["threads"]
    await store.migrate()
    assert (await store.list_threads(ADA, limit=1)).data == []


# -- errors --------------------------------------------------------------------------------------


async def test_a_server_that_is_away_is_an_error_without_the_password(store: MongodbStore) -> None:
    url = f"mongodb://ada:hunter2@127.0.0.1:{free_port()}/name"
    away = MongodbStore.from_spec(url, StoreOptions(timeout=0.5))
    for call in (away.open(), away.schema(), away.migrate()):
        with pytest.raises(StoreUnavailable) as refused:
            await call
        assert "hunter2" not in f"{refused.value.body()}"
        assert "127.0.0.1" in refused.value.message
    await away.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://ada:hunter2:x@host:port/name",
        "mongodb://ada:p@hunter2@host/name",
        "mongodb://ada:hunter2@host/name?tls=true&tlsInsecure=true&tlsAllowInvalidHostnames=true",
        "mongodb://ada:hunter2@host/a b",
        "mongodb://ada:hunter2@host/a.b",
        "mongodb://",
        "mongodb://[hunter2/name",
        "mongodb://ada:[hunter2@host/name",
        "mongodb://ada:a/hunter2@host/name",
        "mongodb://ada:a?hunter2@host/name",
        "mongodb://ada:a#hunter2@host/name",
    ],
)
async def test_a_url_that_cannot_be_read_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await MongodbStore.from_spec(url).open()
    assert "hunter2" not in f"{refused.value.body()}"
    assert "mongodb://" in refused.value.hint


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        ("", "parlour"),
        ("/", "parlour"),
        ("/?retryWrites=true", "parlour"),
        ("/my%2Dchat", "my-chat"),
    ],
)
async def test_the_url_names_the_database(mongodb: Mongodb, ending: str, name: str) -> None:
    if mongodb.given:
        pytest.skip("This server's databases are not ours.")
    store = MongodbStore.from_spec(mongodb.server_url + ending)
    client: AsyncMongoClient[JsonObject] = AsyncMongoClient(mongodb.server_url)
    await store.migrate()
    assert await client[name]["parlour_schema"].count_documents({}) == 1
    await store.migrate("base")
    await client.close()


async def test_a_check_of_a_database_that_went_away_answers_soon(spec: str) -> None:
    await MongodbStore.from_spec(spec).migrate()
    async with Relay(spec) as relay:
        store = MongodbStore.from_spec(relay.url, StoreOptions(timeout=60))
        await store.open()
        await store.check()
        relay.cut(0, "before", forever=True)
        with pytest.raises(StoreUnavailable):
            await store.check()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.check()
        assert time.monotonic() - began < 20
        relay.mend()
        await store.add_thread(ADA, Thread("thr_1", now()))
        await store.check()
        await store.close()


async def test_a_store_that_is_closed_says_so(store: MongodbStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.load_thread(ADA, "thr_1")


async def test_a_replica_reads_and_writes_nothing(store: MongodbStore, spec: str) -> None:
    await filled(store, "a")
    replica = MongodbStore.from_spec(spec, StoreOptions(read_only=True))
    await replica.open()
    with sent() as commands:
        assert await ids(replica) == ["a"]
        await replica.check()
        with pytest.raises(ThreadNotFound):
            await replica.load_thread(EVE, "thr_1")
        with pytest.raises(ItemNotFound):
            await replica.load_item(ADA, "thr_1", "b")
    assert {next(iter(command)) for command in commands} == {"find"}
    await replica.close()
