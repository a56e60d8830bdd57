"""What is peculiar to the SQL store: other processes, its schema, its statements, its file."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from blockbuster import blockbuster_ctx
from sqlalchemy import Engine, create_engine, event, inspect

from parlour.errors import ConfigurationError, NotFound, StoreUnavailable
from parlour.protocol import now
from parlour.stores import migrations
from parlour.stores.base import Outcome, Store, Thread
from parlour.stores.contract import calls, hidden
from parlour.stores.contract_maintenance import attachment
from parlour.stores.contract_turns import ADA, filled, ids, message, turn
from parlour.stores.schema import HEAD, VERSION_TABLE, metadata
from parlour.stores.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "chat.db"


@pytest.fixture
def spec(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def store(spec: str) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.from_spec(spec)
    await store.open()
    yield store
    await store.close()


async def writing(spec: str, name: str, count: int) -> Process:
    command = ("-m", "tests.stores.writing", spec, name, str(count))
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )


# -- other processes -----------------------------------------------------------------------------


async def test_two_processes_open_a_new_file_at_once_and_keep_every_item(spec: str) -> None:
    writers = [await writing(spec, name, 60) for name in "ab"]
    for writer in writers:
        _, errors = await writer.communicate()
        assert (writer.returncode, errors) == (0, b"")
    store = SqliteStore.from_spec(spec)
    await store.open()
    kept = await ids(store)
    await store.close()
    assert len(kept) == 120
    for name in "ab":
        assert [i for i in kept if i.startswith(name)] == [f"{name}{n}" for n in range(60)]


async def test_many_stores_open_a_new_file_at_the_same_moment(spec: str) -> None:
    stores = [SqliteStore.from_spec(spec) for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    await stores[0].add_thread(ADA, Thread("thr_1", now()))
    for store in stores:
        assert (await store.load_thread(ADA, "thr_1")).id == "thr_1"
        await store.close()


async def test_opening_waits_for_another_process_that_writes_to_the_file(
    spec: str, path: Path
) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE pages (text)")
    other.execute("BEGIN IMMEDIATE")
    store = SqliteStore.from_spec(spec)
    opening = asyncio.create_task(store.open())
    await asyncio.sleep(0.1)
    assert not opening.done()
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(opening, 10)
    await store.check()
    await store.close()


async def test_kill_9_loses_nothing_that_was_acknowledged(spec: str) -> None:
    writer = await writing(spec, "i", 1_000_000)
    assert writer.stdout is not None
    acknowledged = [(await writer.stdout.readline()).decode().strip() for _ in range(40)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = await writer.communicate()
    acknowledged += rest.decode().split("\n")[:-1]
    store = SqliteStore.from_spec(spec)
    await store.open()
    kept = await ids(store)
    await store.add_item(ADA, "thr_1", message("after"))
    await store.close()
    assert kept[: len(acknowledged)] == acknowledged
    # At most the one that was being written when the process died.
    assert len(kept) - len(acknowledged) <= 1


async def test_a_writer_waits_for_another_process_that_holds_the_lock(
    store: SqliteStore, path: Path
) -> None:
    await filled(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    adding = asyncio.create_task(store.add_item(ADA, "thr_1", message("a")))
    await asyncio.sleep(0.1)
    assert not adding.done()
    assert await ids(store) == []
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(adding, 10)
    assert await ids(store) == ["a"]


# -- schema --------------------------------------------------------------------------------------


def test_the_newest_revision_is_the_one_the_code_expects() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [HEAD]


def test_the_migrations_make_the_schema_of_the_tables(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/migrated.db")
    with engine.begin() as connection:
        migrations.migrate(connection)
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


async def test_an_older_file_is_brought_up_to_date(spec: str, path: Path) -> None:
    path.parent.mkdir()
    with old_file(path) as older:
        older.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)")
    store = SqliteStore.from_spec(spec)
    await store.open()
    await filled(store, "a")
    assert await ids(store) == ["a"]
    await store.close()
    engine = create_engine(spec)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, VERSION_TABLE}
    engine.dispose()


async def test_a_file_of_a_newer_parlour_is_left_alone(
    store: SqliteStore, spec: str, path: Path
) -> None:
    await store.close()
    with old_file(path) as newer:
        newer.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreUnavailable, match="9999") as refused:
        await SqliteStore.from_spec(spec).open()
    assert "newer Parlour" in refused.value.hint


async def test_a_database_is_shared_with_the_sites_own_tables(spec: str, path: Path) -> None:
    path.parent.mkdir()
    with old_file(path) as site:
        site.execute("CREATE TABLE threads (mine INTEGER)")
        site.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        site.execute("INSERT INTO alembic_version VALUES ('the site')")
    store = SqliteStore.from_spec(spec)
    await store.open()
    await filled(store, "a")
    assert await ids(store) == ["a"]
    await store.close()


@contextmanager
def old_file(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    with connection:
        yield connection
    connection.close()


# -- statements ----------------------------------------------------------------------------------


@contextmanager
def statement_log() -> Iterator[list[tuple[str, tuple[object, ...]]]]:
    """Every statement that any engine runs, with its parameters."""
    log: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _k: object, text: str, values: tuple[object, ...], *_: object) -> None:
        if not re.match("BEGIN|SAVEPOINT|RELEASE|ROLLBACK|PRAGMA", text):
            log.append((text, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield log
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def everything(store: Store) -> None:
    """Calls whatever a store can do for an owner, in ways that succeed and ways that do not."""
    await filled(store, "a", "b", "c")
    await store.add_item(ADA, "thr_1", hidden("h"))
    await store.add_thread(ADA, Thread("thr_1", now()))
    await store.add_thread(ADA, Thread("thr_2", now()))
    await store.save_item(ADA, "thr_1", message("b", "changed"))
    await store.save_attachment(ADA, attachment("atc_1", "thr_1"))
    await store.save_feedback(ADA, "thr_1", ["a"], "positive")
    await store.update_thread(ADA, "thr_1", {"title": "t"})
    await store.load_item(ADA, "thr_1", "a")
    await store.load_attachment(ADA, "atc_1")
    await store.list_threads(ADA, limit=1, after="thr_1")
    await store.list_threads(ADA, limit=1, after="thr_1", order="asc")
    for order in ("asc", "desc"):
        for shown in (False, True):
            await store.list_items(ADA, "thr_1", limit=2, order=order, hidden=shown)
            await store.list_items(ADA, "thr_1", limit=2, after="b", order=order, hidden=shown)
    outcomes: tuple[Outcome, ...] = ("finished", "failed")
    for number, outcome in enumerate(outcomes):
        await store.begin_turn(turn(f"trn_{number}", key=f"k{number}"))
        await store.journal(ADA, f"trn_{number}", [message("d")])
        await store.retire_after(ADA, "thr_1", "a", f"trn_{number}")
        await store.add_item(ADA, "thr_1", message("c"))
        await store.end_turn(ADA, f"trn_{number}", outcome, [message("d")])
    await store.delete_item(ADA, "thr_1", "d")
    await asyncio.gather(*calls(store, ADA, "thr_0", "atc_0"), return_exceptions=True)
    await store.delete_attachment(ADA, "atc_1")
    await store.delete_thread(ADA, "thr_1")


async def test_every_lookup_uses_an_index_and_no_page_is_sorted(
    store: SqliteStore, path: Path
) -> None:
    with statement_log() as log:
        await everything(store)
        await store.running_turns()
        await store.beat("server-1")
    database = sqlite3.connect(path)
    for text, values in dict(log).items():
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        slow = [step for step in plan if step.startswith("SCAN") or "TEMP B-TREE" in step]
        assert slow == [], f"{text}\n{plan}"
    database.close()


async def test_statements_are_compiled_once(store: SqliteStore) -> None:
    await filled(store, "a")
    compiled: list[str] = []

    def note(_c: object, _k: object, text: str, _v: object, context: object, _m: object) -> None:
        hit = getattr(context, "cache_hit", None)
        if text[:6] in ("INSERT", "SELECT", "UPDATE", "DELETE") and hit and hit.name != "CACHE_HIT":
            compiled.append(text)

    await store.add_item(ADA, "thr_1", message("b"))
    await store.list_items(ADA, "thr_1", limit=50)
    event.listen(Engine, "before_cursor_execute", note)
    for n in range(3):
        await store.add_item(ADA, "thr_1", message(f"c{n}"))
        await store.list_items(ADA, "thr_1", limit=50)
    event.remove(Engine, "before_cursor_execute", note)
    assert compiled == []


async def test_nothing_blocks_the_event_loop(spec: str) -> None:
    store = SqliteStore.from_spec(spec)
    with blockbuster_ctx():
        await store.open()
        await everything(store)
        await store.check()
        await store.close()


async def test_feedback_is_kept_with_its_item(store: SqliteStore, path: Path) -> None:
    await filled(store, "a", "b")
    await store.save_feedback(ADA, "thr_1", ["a", "b"], "positive")
    await store.save_feedback(ADA, "thr_1", ["b"], "negative")
    with pytest.raises(NotFound):
        await store.save_feedback(ADA, "thr_1", ["a", "never"], "negative")
    database = sqlite3.connect(path)
    rows = database.execute("SELECT id, feedback FROM parlour_items ORDER BY seq").fetchall()
    database.close()
    assert rows == [("a", "positive"), ("b", "negative")]


# -- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://chat.db", "sqlite:chat.db"]
)
def test_a_spec_without_a_file_is_refused_with_the_right_ones(spec: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        SqliteStore.from_spec(spec)
    assert "sqlite:///chat.db" in refused.value.hint
    assert "memory" in refused.value.hint


def test_a_spec_with_options_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        SqliteStore.from_spec("sqlite:///chat.db?mode=ro")


async def test_a_relative_file_is_made_where_the_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore.from_spec("sqlite:///deep/er/ünï 100%.db")
    await store.open()
    await store.close()
    assert (tmp_path / "deep" / "er" / "ünï 100%.db").exists()


async def test_a_broken_file_is_named_and_left_as_it_is(spec: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, " * 100)
    before = path.read_bytes()
    store = SqliteStore.from_spec(spec)
    with pytest.raises(StoreUnavailable, match="not a database") as refused:
        await store.open()
    await store.close()
    assert str(path) in refused.value.message
    assert "backup" in refused.value.hint
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/proc").exists(), reason="Needs a folder that root cannot write to.")
async def test_a_folder_that_cannot_be_written_is_named() -> None:
    store = SqliteStore.from_spec("sqlite:////proc/chat.db")
    with pytest.raises(StoreUnavailable) as refused:
        await store.open()
    await store.close()
    assert "/proc/chat.db" in refused.value.hint


async def test_a_file_that_was_deleted_under_way_is_noticed(store: SqliteStore, path: Path) -> None:
    await store.check()
    path.unlink()
    with pytest.raises(StoreUnavailable, match="No such file") as refused:
        await store.check()
    assert str(path.parent) not in refused.value.message


async def test_an_error_under_way_tells_no_content_and_not_where_the_file_lies(
    store: SqliteStore, path: Path
) -> None:
    await filled(store)
    with old_file(path) as database:
        database.execute("DROP TABLE parlour_items")
    with pytest.raises(StoreUnavailable) as refused:
        await store.add_item(ADA, "thr_1", message("a", "a secret"))
    told = f"{refused.value.message} {refused.value.hint}"
    assert "no such table" in told
    assert str(path.parent) not in told
    assert "a secret" not in f"{told} {refused.value.__cause__}"


async def test_a_closed_store_says_so(store: SqliteStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.running_turns()
