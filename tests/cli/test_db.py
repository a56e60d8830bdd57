"""``parlour db``, on every kind of database."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parlour.cli.terminal import public_url
from parlour.stores.schema import HEAD, VERSION_TABLE
from tests.cli.calling import Shell

PARLOUR = [sys.executable, "-m", "parlour.cli"]


def test_a_schema_is_upgraded_and_taken_back(shell: Shell, empty_database: str) -> None:
    shell.use(empty_database)
    empty = shell.call("db", "status", "--json")
    known = json.loads(empty.out)
    newest = known["needed"]
    assert (empty.code, known["current"], known["is_current"]) == (1, None, False)
    assert known["revisions"][-1] == newest
    assert "parlour db upgrade" in shell.call("db", "status").out
    first = shell.call("db", "upgrade", known["revisions"][0])
    assert all(line.endswith("…") for line in first.err.splitlines()), first.err
    assert (first.code, "schema 0001" in first.out) == (0, True), first.err
    upgraded = shell.call("db", "upgrade")
    assert upgraded.code == 0
    assert f"schema {newest}" in upgraded.out
    status = shell.call("db", "status")
    assert (status.code, "up to date" in status.out) == (0, True)
    assert json.loads(shell.call("db", "status", "--json").out)["is_current"] is True
    assert "as before" in shell.call("db", "upgrade").out
    refused = shell.call("db", "downgrade", "base")
    assert refused.code == 2
    assert "every conversation" in refused.err
    assert "--yes" in refused.err
    assert shell.call("db", "status").code == 0
    back = shell.call("db", "downgrade", "base", "--yes")
    assert (back.code, "schema none" in back.out) == (0, True), back.err
    assert json.loads(shell.call("db", "status", "--json").out)["current"] is None


def test_the_wrong_direction_and_unknown_revisions_are_refused(shell: Shell) -> None:
    shell.call("db", "upgrade")
    for arguments, said in (
        (("upgrade", "0001"), "downgrade 0001"),
        (("upgrade", "0000"), HEAD),
        (("downgrade", "nonsense"), HEAD),
    ):
        refused = shell.call("db", *arguments)
        assert refused.code == 2
        assert said in refused.err
    shell.call("db", "downgrade", "base", "--yes")
    assert "upgrade 0001" in shell.call("db", "downgrade", "0001").err


def test_asking_makes_no_file_and_an_upgrade_makes_its_folder(shell: Shell) -> None:
    assert shell.call("db", "status").code == 1
    assert list(shell.folder.iterdir()) == []
    assert shell.call("db", "upgrade").code == 0
    assert (shell.folder / ".parlour" / "parlour.db").exists()


def test_a_file_of_a_newer_parlour_is_refused_by_every_command(shell: Shell) -> None:
    shell.call("db", "upgrade")
    newer = sqlite3.connect(shell.folder / ".parlour" / "parlour.db")
    with newer:
        newer.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    newer.close()
    status = shell.call("db", "status")
    assert (status.code, "newer Parlour" in status.out) == (1, True)
    for arguments in (
        ("db", "upgrade"),
        ("db", "downgrade", "base", "--yes"),
        ("serve", "--port", "0"),
        ("archive", "--older-than", "1d"),
    ):
        refused = shell.call(*arguments)
        assert refused.code == 2
        assert "9999" in refused.err
        assert "later" in refused.err


def test_serve_refuses_an_empty_or_old_schema_and_names_the_command(
    shell: Shell, empty_database: str
) -> None:
    shell.use(empty_database)
    if empty_database.startswith("sqlite"):
        pytest.skip("SQLite brings its schema up to date by itself.")
    for _ in range(2):
        refused = shell.call("serve", "--port", "0")
        assert refused.code == 2
        assert "error: " in refused.err
        assert "parlour db upgrade" in refused.err
        shell.call("db", "upgrade", "0001")
        if json.loads(shell.call("db", "status", "--json").out)["is_current"]:
            break  # there is only one revision


def test_serve_is_refused_as_a_process_too(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue("postgresql").new_database()
    done = subprocess.run(
        [*PARLOUR, "serve", "--port", "0"],
        cwd=tmp_path,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "parlour db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_is_one_line_and_its_next_step(shell: Shell) -> None:
    shell.use("postgresql://ada:secret@127.0.0.1:1/chat")
    for command in (("db", "status"), ("db", "upgrade"), ("archive", "--older-than", "1d")):
        refused = shell.call(*command)
        assert refused.code == 2
        assert "→" in refused.err
        assert "secret" not in refused.err + refused.out


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("sqlite:///chat.db", "sqlite:///chat.db"),
        ("postgresql://ada:s3c@h/db", "postgresql://ada:***@h/db"),
        ("postgresql://ada@h/db?sslmode=require", "postgresql://ada@h/db?sslmode=require"),
        ("postgresql://h/db?user=a&password=s3c&x=1", "postgresql://h/db?user=a&password=***&x=1"),
        ("mongodb://a:s3c@h1,h2:1/db?w=1", "mongodb://a:***@h1,h2:1/db?w=1"),
        ("mysql://a:s3c@s3c@h/db", "mysql://a:***@h/db"),
        ("mysql://a:s3c/s3c@h/db", "mysql://a:***@h/db"),
        ("mysql://a:@h/db?ssl_key=s3c#x", "mysql://a:***@h/db?ssl_key=***#x"),
    ],
)
def test_no_password_is_ever_shown(spec: str, shown: str) -> None:
    assert public_url(spec) == shown


def test_a_person_is_asked_before_anything_is_destroyed(tmp_path: Path, shell: Shell) -> None:
    shell.call("db", "upgrade")
    code, shown = in_a_terminal(tmp_path, ["db", "downgrade", "base"], "Go on?", "n")
    assert "every conversation" in shown
    assert code == 1
    assert shell.call("db", "status").code == 0


def in_a_terminal(folder: Path, arguments: list[str], asked: str, answer: str) -> tuple[int, str]:
    """Runs a command at a terminal, answers its question, and reads what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PARLOUR, *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    shown, answered, end = "", False, time.monotonic() + 120
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 4096).decode()
            except OSError:  # Linux says so when the other side is closed
                break
        if asked in shown and not answered:
            os.write(ours, f"{answer}\n".encode())
            answered = True
    os.close(ours)
    return process.wait(20), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
