"""Commands as a person calls them, but in this process: starting one takes seconds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from parlour.cli import main

ANSI = "\x1b["


@dataclass(frozen=True, slots=True)
class Called:
    """What a command left: its exit code, and what it printed on either stream."""

    code: int
    out: str
    err: str


class Shell:
    """Calls ``parlour`` in a folder, with a database; nobody is there to answer questions."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._patch = monkeypatch
        self._printed = capsys
        monkeypatch.chdir(folder)
        for name in ("DATABASE_URL", "PARLOUR_DATABASE_URL", "PARLOUR_HOME"):
            monkeypatch.delenv(name, raising=False)

    def use(self, database: str) -> None:
        self._patch.setenv("DATABASE_URL", database)

    def call(self, *arguments: str) -> Called:
        self._patch.setattr(sys, "argv", ["parlour", *arguments])
        self._printed.readouterr()
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        else:
            code = 0
        printed = self._printed.readouterr()
        assert ANSI not in printed.out + printed.err
        assert "Traceback" not in printed.err
        return Called(code, printed.out, printed.err)
