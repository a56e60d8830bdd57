"""``parlour db``: the schema of the database that the settings name."""

from __future__ import annotations

import asyncio
import json

import typer
from rich.markup import escape
from rich.table import Table

from parlour.app import choose_store
from parlour.cli.terminal import err, load_settings, may_ask, out, patiently, public_url
from parlour.errors import ConfigurationError, SchemaOutdated
from parlour.settings import Settings
from parlour.stores.base import Schema, Store


def status(*, as_json: bool) -> None:
    """Shows the schema; exits with 1 unless it is the newest."""
    settings = load_settings()
    schema = asyncio.run(_look(settings))
    if as_json:
        report = {
            "database": public_url(settings.store_spec()),
            "current": schema.current,
            "needed": schema.needed,
            "revisions": list(schema.revisions),
            "is_current": schema.is_current,
        }
        out.print_json(json.dumps(report))
    else:
        _show(settings, schema)
    if not schema.is_current:
        raise typer.Exit(1)


def upgrade(revision: str | None) -> None:
    """Brings the schema to a revision, the newest when none is named."""
    settings = load_settings()
    before, after = asyncio.run(_move(settings, revision, up=True, yes=True))
    _tell(settings, before, after)


def downgrade(revision: str, *, yes: bool) -> None:
    """Takes revisions back, after asking."""
    settings = load_settings()
    before, after = asyncio.run(_move(settings, revision, up=False, yes=yes))
    _tell(settings, before, after)


async def _look(settings: Settings) -> Schema:
    store = choose_store(settings)
    try:
        return await patiently("Asking the database", store.schema())
    finally:
        await store.close()


async def _move(
    settings: Settings, revision: str | None, *, up: bool, yes: bool
) -> tuple[Schema, Schema]:
    """The schema before and after."""
    store = choose_store(settings)
    try:
        before = await patiently("Asking the database", store.schema())
        target = revision or before.needed
        _check(before, target, up=up)
        if _place(before, target) == _place(before, before.current):
            return before, before
        if not up:
            _confirm(settings, before, target, yes=yes)
        return before, await _migrate(store, target, up=up)
    finally:
        await store.close()


async def _migrate(store: Store, target: str, *, up: bool) -> Schema:
    doing = "Upgrading the schema" if up else "Downgrading the schema"
    await patiently(f"{doing} to {target}", store.migrate(target))
    return await store.schema()


def _place(schema: Schema, revision: str | None) -> int:
    """Where a revision stands; an empty database comes before the first."""
    return -1 if revision in (None, "base") else schema.revisions.index(str(revision))


def _check(schema: Schema, target: str, *, up: bool) -> None:
    """Refuses what cannot be done, or would be the opposite of what was asked for."""
    if schema.current is not None and schema.current not in schema.revisions:
        raise SchemaOutdated(
            f"The database has the schema {schema.current}, made by a newer Parlour; this one "
            f"knows {schema.needed}.",
            hint="Use that version of Parlour or a later one.",
        )
    if target not in (*schema.revisions, "base"):
        raise ConfigurationError(
            f"There is no revision {target!r}.",
            hint=f"Choose one of: base, {', '.join(schema.revisions)}.",
        )
    here, there = _place(schema, schema.current), _place(schema, target)
    if (there < here) if up else (there > here):
        direction = "downgrade" if up else "upgrade"
        raise ConfigurationError(
            f"The database has the schema {schema.current or 'base'}; {target} is "
            f"{'older' if up else 'newer'}.",
            hint=f"Run parlour db {direction} {target} if you mean that.",
        )


def _confirm(settings: Settings, schema: Schema, target: str, *, yes: bool) -> None:
    """Names what is about to be lost, and goes on only with a yes."""
    undone = schema.revisions[_place(schema, target) + 1 : _place(schema, schema.current) + 1]
    lost = [schema.lost[revision] for revision in undone if revision in schema.lost]
    err.print(
        f"Going from {schema.current} back to {target} in "
        f"{escape(public_url(settings.store_spec()))} destroys:",
        soft_wrap=True,
    )
    for what in lost or ["nothing"]:
        err.print(f"  - {escape(what)}", soft_wrap=True)
    if yes:
        return
    if not may_ask():
        raise ConfigurationError(
            "Nobody is there to agree to that.", hint="Add --yes if it is what you want."
        )
    typer.confirm("Go on?", abort=True, err=True)


def _tell(settings: Settings, before: Schema, after: Schema) -> None:
    name = escape(public_url(settings.store_spec()))
    change = "as before" if before == after else f"before: {before.current or 'none'}"
    out.print(f"{name}: schema {after.current or 'none'} ({change})", soft_wrap=True)


def _show(settings: Settings, schema: Schema) -> None:
    out.print(escape(public_url(settings.store_spec())), soft_wrap=True)
    table = Table()
    table.add_column("Revision")
    table.add_column("State")
    for revision in schema.revisions:
        there = _has(schema, revision)
        table.add_row(revision, "there" if there else "[yellow]missing[/]")
    out.print(table)
    if schema.is_current:
        out.print("The schema is up to date.")
    elif schema.current is None:
        out.print("The database has no tables of Parlour yet. Run: parlour db upgrade")
    elif schema.current not in schema.revisions:
        out.print(
            f"A newer Parlour made the schema {escape(schema.current)}. Use that version or a "
            "later one."
        )
    else:
        out.print("The schema is old. Run: parlour db upgrade")


def _has(schema: Schema, revision: str) -> bool:
    if schema.current not in (None, *schema.revisions):
        return True
    return _place(schema, revision) <= _place(schema, schema.current)
