"""From every schema there ever was to the newest, with everything in it, on each SQL database."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, MetaData, insert, inspect, select, update

from parlour.errors import ConfigurationError, SchemaOutdated, StoreUnavailable
from parlour.protocol import JsonObject, encode
from parlour.stores import STORES
from parlour.stores.schema import HEAD, LOST, REVISIONS, VERSION_TABLE, metadata, version
from parlour.stores.sql import SqlStore
from tests.archive.content import ADA, EVE, everything, fill

ROOT = Path(__file__).parents[2]
OLDER = REVISIONS[:-1]
ODD = "Zeile\u2028 \\ \"' 👩‍👩‍👧 العربية \x1f %s :x"
DATA = encode({"id": "a", "type": "widget", "text": f"{ODD} \x00", "n": 1.5}).decode()

# What each revision has beyond the one before: its rows are those of all up to it.
ROWS: dict[str, dict[str, list[JsonObject]]] = {
    "0001": {
        "parlour_threads": [
            {"id": key, "owner": owner, "created_at": 1_700_000_000_123_456, "updated_at": 5}
            | {"next_seq": 9, "title": title, "status": '{"type":"active"}'}
            | {"allowed_image_domains": "null", "metadata": "{}"}
            for key, owner, title in (
                ("thr_old", ADA, ODD),
                ("THR_OLD ", ADA, None),
                ("t", EVE, ""),
            )
        ],
        "parlour_items": [
            {"thread_id": "thr_old", "id": key, "retired_by": turn, "owner": ADA, "seq": seq}
            | {"type": kind, "hidden": hidden, "feedback": thumb, "data": DATA}
            for seq, (key, turn, kind, hidden, thumb) in enumerate(
                (
                    ("q", "", "user_message", False, None),
                    ("h", "", "hidden_context_item", True, None),
                    ("a", "", "widget", False, "positive"),
                    ("A", "", "widget", False, None),
                    ("b", "trn_runs", "widget", False, None),
                    ("a", "trn_runs", "widget", False, "negative"),
                )
            )
        ],
        "parlour_attachments": [
            {"id": "atc_old", "owner": ADA, "thread_id": "thr_old", "data": '{"id":"atc_old"}'},
            {"id": "atc_odd", "owner": EVE, "thread_id": None, "data": '{"id":"atc_odd"}'},
        ],
        "parlour_turns": [
            {"id": key, "owner": ADA, "thread_id": "thr_old", "server": ODD[:9], "beat_at": 7}
            | {"key": used, "outcome": outcome, "pending": pending}
            for key, used, outcome, pending in (
                ("trn_runs", "k", "running", f"[{DATA}]"),
                ("trn_ended", "K", "finished", "[]"),
                ("trn_other", None, "stopped", "[]"),
            )
        ],
    }
}

Rows = dict[str, list[JsonObject]]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty SQL database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'chat.db'}"
    made: str = request.getfixturevalue(request.param).new_database()
    return made


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    store = STORES.load(url).from_spec(url)
    assert isinstance(store, SqlStore)
    yield store
    await store.close()


@pytest.fixture(scope="module")
def migrating() -> Iterator[subprocess.Popen[str]]:
    """A process whose children upgrade databases, and die of it."""
    command = [sys.executable, "-m", "tests.stores.migrating"]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield process
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


async def ends(migrating: subprocess.Popen[str], url: str, *moments: int) -> list[int]:
    """What became of the children that upgraded at once, each until its moment."""
    assert migrating.stdin is not None
    assert migrating.stdout is not None
    migrating.stdin.write(f"{url} {' '.join(map(str, moments))}\n")
    migrating.stdin.flush()
    line = await asyncio.to_thread(migrating.stdout.readline)
    return [int(each) for each in line.split()]


def raw(value: object, column: Column[object]) -> object:
    """As the column takes it: MySQL's keys are bytes."""
    return value.encode() if column.type.python_type is bytes and isinstance(value, str) else value


def plain(name: str, value: object) -> object:
    """As every database would give it."""
    if name == "hidden":
        return bool(value)
    return value.decode() if isinstance(value, bytes) else value


def by_id(row: JsonObject) -> tuple[str, str]:
    return row["id"], row.get("retired_by", "")


def tables(connection: Connection) -> MetaData:
    """Our tables as they are now."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name.startswith("parlour_"))
    return found


def put(connection: Connection, revision: str) -> None:
    """The rows of a revision, in its own columns."""
    there = tables(connection).tables
    for name in ("parlour_threads", "parlour_items", "parlour_attachments", "parlour_turns"):
        for known in REVISIONS[: REVISIONS.index(revision) + 1]:
            for row in ROWS.get(known, {}).get(name, []):
                columns = there[name].c
                values = {key: raw(value, columns[key]) for key, value in row.items()}
                connection.execute(insert(there[name]).values(values))


def rows(connection: Connection) -> Rows:
    """Everything in our tables, in an order of its own."""
    found = {}
    for name, table in tables(connection).tables.items():
        if name != VERSION_TABLE and name in metadata.tables:
            read = [dict(row) for row in connection.execute(select(table)).mappings()]
            clean = [{key: plain(key, value) for key, value in row.items()} for row in read]
            found[name] = sorted(clean, key=by_id)
    return found


def only(kept: Rows, like: Rows) -> Rows:
    """The columns that another schema has."""
    return {
        name: sorted(
            ({key: value for key, value in row.items() if key in like[name][0]} for row in table),
            key=by_id,
        )
        for name, table in kept.items()
        if like.get(name)
    }


def shape(connection: Connection) -> JsonObject:
    """Columns, keys and indexes of our tables, as the database tells them."""
    look = inspect(connection)
    found: JsonObject = {}
    for name in metadata.tables:
        columns = {
            c["name"]: (
                str(c["type"]),
                vars(c["type"]).get("collation"),
                c["nullable"],
                c["default"],
            )
            for c in look.get_columns(name)
        }
        indexes = [
            (i["name"], i["column_names"], bool(i["unique"])) for i in look.get_indexes(name)
        ]
        uniques = [(u["name"], u["column_names"]) for u in look.get_unique_constraints(name)]
        keys = [
            (k["constrained_columns"], k["referred_table"], k["referred_columns"], k["options"])
            for k in look.get_foreign_keys(name)
        ]
        found[name] = {
            "columns": columns,
            "primary": look.get_pk_constraint(name)["constrained_columns"],
            "indexes": sorted(indexes, key=repr),
            "unique": sorted(uniques, key=repr),
            "foreign": keys,
        }
    return found


async def old(store: SqlStore, revision: str) -> Rows:
    """Makes the database one of that revision with rows in it; the rows."""
    await store.migrate(revision)
    await store._database.migrate(lambda c: put(c, revision))
    return await store._database.migrate(rows)


# -- up and down ---------------------------------------------------------------------------------


def test_every_revision_says_what_its_downgrade_loses() -> None:
    assert LOST.keys() == set(REVISIONS)


@pytest.mark.parametrize("revision", OLDER)
async def test_an_upgrade_keeps_everything_and_the_store_works_on_it(
    store: SqlStore, revision: str
) -> None:
    before = await old(store, revision)
    with pytest.raises(SchemaOutdated) as refused:
        await store._database.migrate(lambda c: _require(c))
    assert "parlour db upgrade" in refused.value.hint
    await store.migrate()
    after = await store._database.migrate(rows)
    assert only(after, before) == before
    assert (await store.schema()).is_current
    await store.open()
    threads = (await store.list_threads(ADA, limit=9)).data
    assert {(thread.id, thread.title) for thread in threads} == {
        ("thr_old", ODD),
        ("THR_OLD ", None),
    }
    items = (await store.list_items(ADA, "thr_old", limit=9, order="asc", hidden=True)).data
    assert [(i.id, i.data, i.feedback) for i in items] == [
        ("q", DATA, None),
        ("h", DATA, None),
        ("a", DATA, "positive"),
        ("A", DATA, None),
    ]
    assert (await store.load_attachment(ADA, "atc_old"))["id"] == "atc_old"
    assert [turn.id for turn in await store.running_turns()] == ["trn_runs"]
    # The running turn had retired "b" and an "a" that something new has replaced.
    await store.end_turn(ADA, "trn_runs", "interrupted")
    kept = (await store.list_items(ADA, "thr_old", limit=9, order="asc", hidden=True)).data
    assert [item.id for item in kept] == ["q", "h", "a", "A", "b"]
    await fill(store)
    assert len(await everything(store)) > len(threads)
    await store.delete_thread(ADA, "thr_old")
    assert len((await store.list_threads(ADA, limit=99)).data) == 4


def _require(connection: Connection) -> None:
    from parlour.stores.revision import require_current

    require_current(connection)


@pytest.mark.parametrize("revision", OLDER)
async def test_a_downgrade_keeps_what_the_older_schema_can_hold(
    store: SqlStore, revision: str
) -> None:
    before = await old(store, revision)
    await store.migrate()
    await store.migrate(revision)
    assert (await store.schema()).current == revision
    assert await store._database.migrate(rows) == before
    await store.migrate()
    assert only(await store._database.migrate(rows), before) == before
    await store.migrate("base")
    schema = await store.schema()
    assert schema.current is None
    left = await store._database.migrate(lambda c: inspect(c).get_table_names())
    assert [name for name in left if name.startswith("parlour_")] == []
    await store.migrate()
    await store.open()
    assert await everything(store) == {}


async def test_the_revisions_make_the_same_schema_as_the_tables(store: SqlStore) -> None:
    await store.migrate()
    made = await store._database.migrate(shape)
    await store.migrate("base")
    for revision in REVISIONS:
        await store.migrate(revision)
    assert await store._database.migrate(shape) == made
    # And so does the way down and up again.
    await store.migrate(REVISIONS[0])
    await store.migrate()
    assert await store._database.migrate(shape) == made


async def test_a_schema_of_a_newer_parlour_is_left_alone(store: SqlStore) -> None:
    await store.migrate()
    await store._database.migrate(lambda c: c.execute(update(version).values(version_num="9999")))
    for attempt in (store.open, store.migrate):
        with pytest.raises(StoreUnavailable, match="9999") as refused:
            await attempt()
        assert "newer Parlour" in refused.value.hint or "later" in refused.value.hint
    assert (await store.schema()).current == "9999"


async def test_an_unknown_revision_is_refused_with_the_known_ones(store: SqlStore) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await store.migrate("0000")
    assert HEAD in refused.value.hint
    assert (await store.schema()).current is None


# -- at once, and cut off ------------------------------------------------------------------------


async def test_two_processes_that_upgrade_at_once_do_it_once(
    store: SqlStore, url: str, migrating: subprocess.Popen[str]
) -> None:
    assert await ends(migrating, url, -1, -1, -1) == [0, 0, 0]
    assert (await store.schema()).is_current
    await store.migrate("base")
    before = await old(store, OLDER[0])
    assert await ends(migrating, url, -1, -1, -1) == [0, 0, 0]
    assert (await store.schema()).is_current
    assert only(await store._database.migrate(rows), before) == before


@pytest.mark.parametrize("revision", [None, *OLDER])
async def test_an_upgrade_that_was_killed_can_be_run_again(
    store: SqlStore, url: str, migrating: subprocess.Popen[str], revision: str | None
) -> None:
    """After every change on MySQL, which undoes none of them; elsewhere after a few."""
    await store.migrate()
    made = await store._database.migrate(shape)
    moment, step = 1, 2 if revision and url.startswith("mysql") else 6
    while True:
        await store.migrate("base")
        before = await old(store, revision) if revision else {}
        if await ends(migrating, url, moment) == [0]:
            break
        assert (await store.schema()).current in (revision, HEAD)
        await store.migrate()
        assert only(await store._database.migrate(rows), before) == before, moment
        assert await store._database.migrate(shape) == made, moment
        moment += step
    assert moment > 5
