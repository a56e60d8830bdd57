"""How each database finds what is asked for all the time: by an index, without sorting, in few rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Table, insert, text

from parlour.errors import ThreadNotFound
from parlour.protocol import JsonObject, now
from parlour.stores import STORES
from parlour.stores.base import Outcome, Store, StoreOptions
from parlour.stores.contract_maintenance import attachment
from parlour.stores.contract_turns import ADA, message, turn
from parlour.stores.schema import LIVE, attachments, items, threads, to_micros, turns
from parlour.stores.sql import SqlStore
from tests.stores.test_sql import statement_log

Values = tuple[object, ...]

MANY = 3000
"""So many threads, turns and files one owner has, and so many items one thread; others have few."""

FEW = 100
"""More rows than a page has, and many fewer than that owner, or that thread."""

KINDS = ("sqlite", "postgresql", "partitions", "mariadb")


@pytest.fixture(scope="module", params=KINDS)
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with enough in it for its planner to think."""
    kind: str = request.param
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/chat.db"
    else:
        service = "postgresql" if kind == "partitions" else kind
        url = request.getfixturevalue(service).new_database()
    asyncio.run(fill(url, StoreOptions(partitions=4 if kind == "partitions" else 0)))
    return url


async def fill(spec: str, options: StoreOptions) -> None:
    store = await opened(spec, options)
    tables = ("threads", "items", "turns", "attachments")
    analyze = ["ANALYZE"]
    if spec.startswith("mysql"):
        analyze = [f"ANALYZE TABLE parlour_{name}" for name in tables]

    def work(connection: Connection) -> None:
        for table, values in rows():
            connection.execute(insert(table), values)
        for command in analyze:
            connection.execute(text(command))

    await store._database.write(work)
    await store.close()


async def opened(spec: str, options: StoreOptions | None = None) -> SqlStore:
    store: Store = STORES.load(spec).from_spec(spec, options or StoreOptions())
    assert isinstance(store, SqlStore)
    await store.migrate()
    await store.open()
    return store


def rows() -> Iterator[tuple[Table, list[dict[str, object]]]]:
    began = to_micros(now()) - 10**9
    owners = [ADA] * MANY + [f"guest:{n % 300}" for n in range(MANY)]
    long = {"next_seq": MANY + 1}
    yield (
        threads,
        [
            {"id": f"thr_{n}", "owner": owner, "created_at": began + n, "updated_at": began + n}
            | {"next_seq": 5, "status": "{}", "allowed_image_domains": "null", "metadata": "{}"}
            | (long if n == 0 else {})
            for n, owner in enumerate(owners)
        ],
    )
    yield (
        items,
        [
            {
                "thread_id": f"thr_{thread}",
                "id": f"i{n}",
                "retired_by": LIVE,
                "owner": owner,
                "seq": n,
            }
            | {"type": "assistant_message", "hidden": n % 3 == 0, "data": "{}"}
            for thread, owner in enumerate(owners)
            for n in range(MANY if thread == 0 else 2)
        ],
    )
    yield (
        turns,
        [
            {
                "id": f"trn_{n}",
                "owner": ADA,
                "thread_id": f"thr_{n % 9}",
                "server": "s",
                "key": f"k{n}",
            }
            | {"beat_at": began + n, "outcome": "finished", "pending": "[]"}
            for n in range(MANY)
        ],
    )
    yield (
        attachments,
        [
            {"id": f"atc_{n}", "owner": ADA, "thread_id": "thr_0", "created_at": n, "data": "{}"}
            for n in range(MANY)
        ],
    )


async def everyday(store: SqlStore) -> None:
    """What happens in every turn and at every look."""
    thread_id = "thr_0"
    await store.load_thread(ADA, thread_id)
    for order in ("asc", "desc"):
        await store.list_threads(ADA, limit=20, order=order)
        await store.list_threads(ADA, limit=20, order=order, after="thr_1500")
        for hidden in (False, True):
            await store.list_items(ADA, thread_id, limit=20, order=order, hidden=hidden)
            await store.list_items(
                ADA, thread_id, limit=20, order=order, hidden=hidden, after="i1501"
            )
    await store.load_item(ADA, thread_id, "i1500")
    ends: tuple[tuple[str, Outcome], ...] = (("a", "finished"), ("b", "failed"))
    for name, outcome in ends:
        running = replace(turn(name, key=f"new_{name}"), thread_id=thread_id)
        await store.begin_turn(running)
        await store.begin_turn(running)
        await store.add_item(ADA, thread_id, message(f"question_{name}"))
        await store.save_item(ADA, thread_id, message(f"answer_{name}"))
        await store.journal(ADA, name, [message(f"answer_{name}")])
        await store.beat("server-1")
        await store.running_turns()
        await store.end_turn(ADA, name, outcome, [message(f"last_{name}")])
    await store.save_feedback(ADA, thread_id, ["i1"], "positive")
    await store.save_attachment(ADA, attachment("atc_new"))
    await store.load_attachment(ADA, "atc_new")
    await store.count_untaken(ADA)
    await store.update_thread(ADA, thread_id, {"title": "t"})


async def test_what_happens_all_the_time_is_found_by_an_index(spec: str) -> None:
    store = await opened(spec)
    with statement_log() as log:
        await everyday(store)
    sent = {text: values for text, values in log if text.split()[0] in CHECKED}
    assert len(sent) > 25
    explain = EXPLAIN[spec.partition(":")[0]]
    slow: list[str] = []

    def look(connection: Connection) -> None:
        for statement, values in sent.items():
            slow.extend(f"{statement}\n{step}" for step in explain(connection, statement, values))
        raise ThreadNotFound("Undone.")

    with pytest.raises(ThreadNotFound):
        await store._database.write(look)
    await store.close()
    assert not slow, "\n\n".join(slow)


def explain_sqlite(connection: Connection, statement: str, values: Values) -> Iterator[str]:
    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
        if row.detail.startswith("SCAN") or "TEMP B-TREE" in row.detail:
            yield row.detail


def explain_postgresql(connection: Connection, statement: str, values: Values) -> Iterator[str]:
    """Runs it."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
    found = connection.exec_driver_sql(explain, values).scalar_one()
    plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
    for node in nodes(plan):
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        if node["Node Type"] in ("Seq Scan", "Sort", "Incremental Sort") or read > FEW:
            yield str(node)
    # Of a table in parts, a thread's own part is enough.
    if len({node.get("Relation Name") for node in nodes(plan)} & PARTS) > 1:
        yield "several parts"


def nodes(plan: JsonObject) -> Iterator[JsonObject]:
    if plan["Actual Loops"] > 0:
        yield plan
        for child in plan.get("Plans", []):
            yield from nodes(child)


def explain_mysql(connection: Connection, statement: str, values: Values) -> Iterator[str]:
    """Explains it, runs it, and asks how many rows it read."""
    for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values).mappings():
        extra = row["Extra"] or ""
        if row["type"] in ("ALL", "index") or "filesort" in extra or "temporary" in extra:
            yield str(dict(row))
    connection.exec_driver_sql("FLUSH STATUS")
    connection.exec_driver_sql(statement, values).close()
    counts = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
    if sum(int(count) for _, count in counts) > FEW:
        yield str(counts)


CHECKED = {"SELECT", "UPDATE", "DELETE"}
PARTS = {f"parlour_items_{n}" for n in range(4)}
EXPLAIN = {
    "sqlite": explain_sqlite,
    "postgresql": explain_postgresql,
    "mysql": explain_mysql,
}
