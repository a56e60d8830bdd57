"""``parlour archive``: old conversations, into files and back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from parlour.app import choose_files, choose_store
from parlour.archive.file import ENDING, UNFINISHED, Head, alone_in, head_of
from parlour.archive.moving import Archived, Restored, archive, count_idle, restore
from parlour.cli.terminal import counting, load_settings, out, patiently
from parlour.errors import ArchiveDamaged, ConfigurationError
from parlour.protocol import JsonObject, now, timestamp
from parlour.settings import Settings
from parlour.stores.base import Store

_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}


def run(older_than: str | None, to: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Archives what has been idle for so long, or counts it."""
    before = idle_since(older_than)
    settings = load_settings()
    if dry_run:
        _say_dry(before, asyncio.run(_count(settings, before)), as_json=as_json)
        return
    folder = to or _home(settings)
    with _told_about_disks(folder), alone_in(folder):
        done = asyncio.run(_archive(settings, folder, before))
    _say(done, before, as_json=as_json)


def run_restore(file: Path, *, as_json: bool) -> None:
    """Puts an archive back."""
    settings = load_settings()
    with _told_about_disks(file):
        done = asyncio.run(_restore(settings, file))
    if as_json:
        out.print_json(json.dumps(asdict(done)))
        return
    out.print(f"{done.threads} conversations are back, with {done.items} items.")
    for number, why in (
        (done.there, "were in the database already."),
        (done.kept, "have changed since, and were left as they are."),
        (done.taken, "have the id of somebody else's, and were left out."),
    ):
        if number:
            out.print(f"{number} {why}")


def run_list(folder: Path | None, *, as_json: bool) -> None:
    """Shows every archive of a folder."""
    folder = folder or _home(load_settings())
    with _told_about_disks(folder):
        found = [_listed(path) for path in sorted(folder.glob("parlour-*"))]
    if as_json:
        out.print_json(json.dumps({"folder": str(folder), "archives": found}))
        return
    if not found:
        out.print(f"There are no archives in {escape(str(folder))}.", soft_wrap=True)
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("File", no_wrap=True)
    table.add_column("Unused since")
    for name in ("Threads", "Items", "Size"):
        table.add_column(name, justify="right")
    for each in found:
        size = decimal(each["bytes"])
        if "problem" in each:
            table.add_row(escape(each["file"]), escape(each["problem"]), "", "", size)
        else:
            counts = (str(each["threads"]), str(each["items"]), size)
            table.add_row(each["file"], each["idle_since"][:10], *counts)
    out.print(table)


def idle_since(older_than: str | None) -> datetime:
    """The moment that is so long ago; ``ConfigurationError`` if it cannot be told."""
    found = re.fullmatch(r"([1-9]\d{0,5})([hdwy])", (older_than or "").strip().lower())
    try:
        if found is not None:
            return now() - timedelta(hours=int(found[1]) * _HOURS[found[2]])
    except OverflowError:
        pass
    raise ConfigurationError(
        "How old conversations must be is not said."
        if older_than is None
        else f"{older_than!r} is no length of time.",
        hint="Write --older-than 180d; h, d, w and y are hours, days, weeks and years.",
    )


def _home(settings: Settings) -> Path:
    return settings.home / "archive"


async def _count(settings: Settings, before: datetime) -> int:
    async with _open(settings) as store:
        with counting() as told:
            return await count_idle(store, before, told)


async def _archive(settings: Settings, folder: Path, before: datetime) -> Archived:
    async with _open(settings) as store:
        with counting() as told:
            return await archive(store, choose_files(settings), folder, before, told)


async def _restore(settings: Settings, file: Path) -> Restored:
    async with _open(settings) as store:
        with counting() as told:
            return await restore(store, file, told)


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Store]:
    store = choose_store(settings)
    if not store.durable:
        raise ConfigurationError(
            "This store keeps nothing, so there is nothing old in it.",
            hint="Set DATABASE_URL to a database.",
        )
    try:
        await patiently("Opening the database", store.open())
        yield store
    finally:
        await store.close()


@contextmanager
def _told_about_disks(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or path} cannot be used: {error.strerror or error}.",
            hint="Choose another folder, or make room and let this user write there.",
        ) from error


def _listed(path: Path) -> JsonObject:
    """An archive as a row: what its first line says, or what is wrong with it."""
    row: JsonObject = {"file": path.name, "bytes": path.stat().st_size}
    if path.name.endswith(ENDING + UNFINISHED):
        return row | {"problem": "unfinished"}
    try:
        head: Head = head_of(path)
    except ArchiveDamaged as damaged:
        return row | {"problem": damaged.message}
    return row | {
        "made_at": timestamp(head.made_at),
        "idle_since": timestamp(head.idle_since),
        "threads": head.threads,
        "items": head.items,
        "attachments": head.attachments,
    }


def _say_dry(before: datetime, count: int, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps({"idle_since": timestamp(before), "threads": count}))
    else:
        out.print(f"{count} conversations have not been used since {before:%Y-%m-%d %H:%M} UTC.")


def _say(done: Archived, before: datetime, *, as_json: bool) -> None:
    if as_json:
        report = {
            "idle_since": timestamp(before),
            "threads": done.threads,
            "busy": done.busy,
            "files": [str(path) for path in done.files],
        }
        out.print_json(json.dumps(report))
        return
    out.print(
        f"{done.threads} conversations, unused since {before:%Y-%m-%d %H:%M} UTC, are archived."
    )
    for path in done.files:
        out.print(f"  {escape(str(path))}", soft_wrap=True)
    if done.busy:
        out.print(f"{done.busy} were used in the meantime and stay in the database.")
