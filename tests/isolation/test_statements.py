"""The SQL that is really sent: each statement finds its rows by their owner, the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from inspect import signature

import pytest
from sqlalchemy import Engine, Table, event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnClause, ColumnElement
from sqlalchemy.sql.expression import Executable, Select
from sqlalchemy.sql.selectable import Alias, FromClause
from sqlalchemy.sql.visitors import ExternallyTraversible

from parlour.protocol import now
from parlour.stores import STORES, statements
from parlour.stores.base import Store
from parlour.stores.contract import calls, hidden
from parlour.stores.contract_maintenance import attachment
from parlour.stores.contract_turns import ADA, filled, message, turn
from parlour.stores.schema import metadata
from parlour.stores.statements import ACROSS_OWNERS

UNSCOPED = {"beat", "running_turns", "idle_threads", "sweep"}
"""The methods that look across owners, to keep the whole store in order."""
ITSELF = {"from_spec", "open", "schema", "migrate", "close", "check"}
"""The methods that are about the store, and about no row of it."""


@dataclass(frozen=True)
class Sent:
    """A statement as SQLAlchemy understood it, and as it went to the database."""

    statement: Executable
    text: str
    values: tuple[object, ...]
    named: dict[str, object]


@contextmanager
def wire() -> Iterator[list[Sent]]:
    """Every statement on our tables that any engine sends."""
    log: list[Sent] = []

    def note(
        _c: object, _k: object, text: str, values: object, context: ExecutionContext, _m: object
    ) -> None:
        if not any(table.name in text for table in metadata.sorted_tables):
            return
        compiled = context.compiled
        assert compiled is not None, f"sent as text: {text}"
        assert isinstance(compiled.statement, Executable)
        sent = values.values() if isinstance(values, dict) else values
        assert isinstance(sent, tuple | list) or isinstance(values, dict)
        named = dict(context.compiled_parameters[0])
        log.append(Sent(compiled.statement, text, tuple(sent), named))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield log
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def unbound(sent: Sent) -> list[str]:
    """The tables of which a statement would touch rows of others; empty for a scoped one."""
    if not {ADA, ADA.encode()} & set(sent.values) or "owner" not in sent.text:
        return [sent.text]
    found = []
    assert isinstance(sent.statement, ExternallyTraversible)
    for part in visitors.iterate(sent.statement):
        if isinstance(part, Select):
            tables = part.get_final_froms()
        elif isinstance(part, Update | Delete):
            tables = [part.table]
        elif isinstance(part, Insert):
            # Either the values name the owner, or the rows come from a SELECT, which is looked at.
            if part.select is None and sent.named.get("owner") != ADA:
                found.append(f"INSERT {part.table}")
            continue
        else:
            continue
        bound = [owner_of(each, sent) for each in conjuncts(part.whereclause)]
        found += [str(table) for table in tables if base(table) and table not in bound]
    return found


def conjuncts(clause: ColumnElement[bool] | None) -> Iterator[ColumnElement[bool]]:
    """What must all be true: never one side of an OR."""
    if clause is None:
        return
    if getattr(clause, "operator", None) is operators.and_:
        for each in clause.get_children():
            yield from conjuncts(each)  # type: ignore[arg-type]
    else:
        yield clause


def owner_of(clause: ColumnElement[bool], sent: Sent) -> FromClause | None:
    """The table whose owner this condition says to be the caller."""
    if not isinstance(clause, BinaryExpression) or clause.operator is not operators.eq:
        return None
    column, value = clause.left, clause.right
    if not isinstance(column, ColumnClause) or not isinstance(value, BindParameter):
        return None
    is_caller = column.name == "owner" and sent.named.get(value.key) == ADA
    return column.table if is_caller else None


def base(table: FromClause) -> bool:
    """One of our tables, by its own name or another."""
    origin = table.element if isinstance(table, Alias) else table
    return isinstance(origin, Table)


async def tour(store: Store) -> None:
    """Whatever a store can do for an owner, in ways that succeed and ways that do not."""
    await filled(store, "a", "b", "c")
    await filled(store)
    await store.add_item(ADA, "thr_1", hidden("h"))
    await store.save_item(ADA, "thr_1", message("b", "changed"))
    await store.save_item(ADA, "thr_1", message("new"))
    await store.save_feedback(ADA, "thr_1", ["a"], "positive")
    await store.update_thread(ADA, "thr_1", {"title": "t", "metadata": {}})
    await store.load_item(ADA, "thr_1", "a")
    record = attachment("atc_1", "thr_1")
    for _ in range(2):
        await store.save_attachment(ADA, record)
    await store.replace_attachment(ADA, record, record | {"name": "new"})
    await store.count_untaken(ADA)
    for order in ("asc", "desc"):
        for cursor in (None, "thr_1"):
            await store.list_threads(ADA, limit=1, after=cursor, order=order)
        for shown in (False, True):
            for after in (None, "b", "c", "new"):
                await store.list_items(
                    ADA, "thr_1", limit=2, after=after, order=order, hidden=shown
                )
    for number, outcome in enumerate(("finished", "failed")):
        began = turn(f"trn_{number}", key=f"k{number}")
        await store.begin_turn(began)
        await store.begin_turn(began)
        await store.find_turn(ADA, f"k{number}")
        await store.journal(ADA, began.id, [message("d")])
        await store.retire_after(ADA, "thr_1", "a", began.id)
        await store.add_item(ADA, "thr_1", message("c"))
        for _ in range(2):
            await store.end_turn(ADA, began.id, outcome, [message("d")])  # type: ignore[arg-type]
    await store.delete_item(ADA, "thr_1", "d")
    await asyncio.gather(*calls(store, ADA, "thr_0", "atc_0"), return_exceptions=True)
    await store.delete_attachment(ADA, "atc_1")
    await store.delete_thread(ADA, "thr_1", idle_since=now() + timedelta(days=1))
    await filled(store)
    await store.delete_thread(ADA, "thr_1")


# MongoDB's filters are looked at in tests/stores/test_mongodb.py.
on_sql = pytest.mark.parametrize(
    "empty_database", ["sqlite", "postgresql", "mariadb"], indirect=True
)


@on_sql
async def test_every_statement_that_is_sent_is_bound_to_its_owner(database: str) -> None:
    store = STORES.load(database).from_spec(database)
    await store.open()
    with wire() as log:
        await tour(store)
    await store.close()
    assert len(log) > 80
    assert {sent.text: unbound(sent) for sent in log if unbound(sent)} == {}
    ours = {name: value for name, value in vars(statements).items() if name.isupper()}
    seen = [id(sent.statement) for sent in log]
    missed = [
        name
        for name, value in ours.items()
        for each in (value.values() if isinstance(value, dict) else [value])
        if isinstance(each, Executable) and each not in ACROSS_OWNERS and id(each) not in seen
    ]
    assert missed == ["UPDATE_THREAD"]  # which is sent with the columns that change


@on_sql
async def test_only_maintenance_looks_across_owners(database: str) -> None:
    store = STORES.load(database).from_spec(database)
    await store.open()
    await store.save_attachment(ADA, attachment("atc_1"))
    with wire() as log:
        await store.beat("server-1")
        await store.running_turns()
        await store.idle_threads(now(), limit=5, after=("a", "b"))
        await store.sweep(now() + timedelta(days=1))
    await store.close()
    assert {id(sent.statement) for sent in log} == {id(each) for each in ACROSS_OWNERS}


def test_every_method_of_a_store_takes_the_owner_first() -> None:
    methods = {name: method for name, method in vars(Store).items() if callable(method)}
    public = {name for name in methods if not name.startswith("_")}
    first = {name: [*signature(methods[name]).parameters][1:2] for name in public - ITSELF}
    scoped = {name for name, names in first.items() if names == ["owner"]}
    assert public - ITSELF - scoped - UNSCOPED == {"begin_turn"}
    assert [*signature(Store.begin_turn).parameters] == ["self", "turn"]  # which names its owner
