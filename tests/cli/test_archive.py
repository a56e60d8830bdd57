"""``parlour archive``, as a person runs it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from parlour.archive.file import Writer
from parlour.cli.archive import idle_since
from parlour.errors import ConfigurationError
from parlour.protocol import now
from parlour.stores.sqlite import SqliteStore
from tests.archive.content import ADA, everything, fill, item
from tests.cli.calling import Shell


@pytest.fixture
def store(shell: Shell) -> SqliteStore:
    """The database the commands use, with threads of which only thr_1 was used this year."""
    made = SqliteStore.from_spec("sqlite:///.parlour/parlour.db")

    async def filled() -> None:
        await made.open()
        await fill(made)
        await made.close()

    asyncio.run(filled())
    age(shell.folder)
    return made


def age(folder: Path) -> None:
    database = sqlite3.connect(folder / ".parlour" / "parlour.db")
    with database:
        old = int((now() - timedelta(days=400)).timestamp() * 1_000_000)
        database.execute("UPDATE parlour_threads SET updated_at = ? WHERE id <> 'thr_1'", (old,))
    database.close()


def kept() -> set[str]:
    """The threads in the database."""
    store = SqliteStore.from_spec("sqlite:///.parlour/parlour.db")

    async def read() -> set[str]:
        await store.open()
        found = {key for key in await everything(store) if key.startswith("thr")}
        await store.close()
        return found

    return asyncio.run(read())


@pytest.mark.usefixtures("store")
def test_old_conversations_go_and_come_back(shell: Shell) -> None:
    before = kept()
    dry = json.loads(shell.call("archive", "--older-than", "180d", "--dry-run", "--json").out)
    assert dry["threads"] == 4
    assert (kept(), (shell.folder / ".parlour" / "archive").exists()) == (before, False)
    done = shell.call("archive", "--older-than", "1y", "--json")
    report = json.loads(done.out)
    assert (done.code, report["threads"], report["busy"]) == (0, 4, 0)
    assert kept() == {"thr_1"}
    path = Path(report["files"][0])
    assert path.parent == Path(".parlour/archive")
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    [listed] = json.loads(shell.call("archive", "list", "--json").out)["archives"]
    assert (listed["file"], listed["threads"], listed["items"]) == (path.name, 4, 12)
    assert (listed["attachments"], listed["bytes"]) == (3, path.stat().st_size)
    assert path.name in shell.call("archive", "list").out
    back = json.loads(shell.call("archive", "restore", str(path), "--json").out)
    assert (back["threads"], back["items"], back["attachments"]) == (4, 12, 3)
    assert kept() == before
    again = shell.call("archive", "restore", str(path))
    assert "4 were in the database already" in again.out
    nothing = shell.call("archive", "--older-than", "180d")
    assert (nothing.code, "0 conversations" in nothing.out) == (0, True)
    assert len(list(path.parent.glob("*.gz"))) == 1


@pytest.mark.usefixtures("store")
def test_a_folder_of_ones_own_is_used(shell: Shell) -> None:
    done = shell.call("archive", "--older-than", "12w", "--to", "far/away")
    assert "4 conversations" in done.out
    [path] = (shell.folder / "far" / "away").glob("*.jsonl.gz")
    assert str(path.relative_to(shell.folder)) in done.out
    assert json.loads(shell.call("archive", "list", "far/away", "--json").out)["archives"]
    assert "no archives" in shell.call("archive", "list").out


@pytest.mark.usefixtures("store")
def test_a_damaged_archive_is_refused_before_anything_is_written(shell: Shell) -> None:
    shell.call("archive", "--older-than", "180d")
    [path] = (shell.folder / ".parlour" / "archive").glob("*.jsonl.gz")
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[2] = lines[2].replace(b"changed", b"forged!")
    path.write_bytes(gzip.compress(b"".join(lines)))
    refused = shell.call("archive", "restore", str(path))
    assert refused.code == 2
    assert "Line 3 of" in refused.err
    assert kept() == {"thr_1"}
    path.write_bytes(b"nonsense")
    [listed] = json.loads(shell.call("archive", "list", "--json").out)["archives"]
    assert "damaged" in listed["problem"]
    assert "damaged" in shell.call("archive", "list").out


@pytest.mark.usefixtures("store")
def test_what_cannot_be_written_is_said_and_loses_nothing(shell: Shell) -> None:
    before = kept()
    (shell.folder / "file").write_text("in the way")
    refused = shell.call("archive", "--older-than", "180d", "--to", "file")
    assert refused.code == 2
    assert "file" in refused.err
    assert kept() == before
    assert shell.call("archive", "restore", "nowhere.jsonl.gz").code == 2


def test_a_store_that_keeps_nothing_has_no_archive(shell: Shell) -> None:
    shell.use("memory")
    refused = shell.call("archive", "--older-than", "180d")
    assert (refused.code, "DATABASE_URL" in refused.err) == (2, True)


def test_an_unfinished_archive_is_listed_as_such(shell: Shell) -> None:
    writer = Writer(shell.folder, now())
    [listed] = json.loads(shell.call("archive", "list", ".", "--json").out)["archives"]
    assert listed["problem"] == "unfinished"
    writer.discard()


@pytest.mark.parametrize(
    ("written", "hours"), [("36h", 36), ("180d", 4320), ("12w", 2016), ("1y", 8760), (" 2D ", 48)]
)
def test_a_length_of_time_is_read(written: str, hours: int) -> None:
    assert abs(now() - timedelta(hours=hours) - idle_since(written)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "written",
    [None, "", "180", "d", "-1d", "0d", "1.5d", "180 days", "1m", "999999y", "1d1d", "١d"],
)
def test_what_is_no_length_of_time_is_refused(shell: Shell, written: str | None) -> None:
    with pytest.raises(ConfigurationError) as refused:
        idle_since(written)
    assert "180d" in refused.value.hint
    assert shell.call("archive", *(["--older-than", written] if written else [])).code == 2


def test_a_thread_that_was_used_meanwhile_is_counted(shell: Shell, store: SqliteStore) -> None:
    async def begin() -> None:
        from parlour.stores.base import TurnRecord

        again = SqliteStore.from_spec("sqlite:///.parlour/parlour.db")
        await again.open()
        await again.begin_turn(TurnRecord("trn_1", ADA, "thr_0", "gone", now()))
        await again.add_item(ADA, "thr_0", item("thr_0", "c"))
        await again.close()

    asyncio.run(begin())
    age(shell.folder)
    done = shell.call("archive", "--older-than", "180d")
    assert "3 conversations" in done.out
    assert "1 were used in the meantime" in done.out
    assert kept() == {"thr_0", "thr_1"}
