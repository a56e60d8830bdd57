"""A PostgreSQL server."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
from pathlib import Path

import asyncpg

from tests.services.running import Process, free_port, listens, own, program

LOCKED = "host all locked 127.0.0.1/32 scram-sha-256"
"""A user of this name is asked for a password, nobody else."""


class Postgresql(Process):
    """``PARLOUR_TEST_POSTGRESQL`` names one that runs already: a URL of a user who may create
    databases.

    Its own server leaves it to the system when the disk is written: nothing is lost when the server
    is killed, and much time is won.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.given = os.environ.get("PARLOUR_TEST_POSTGRESQL")
        self.server_url = self.given or f"postgresql://postgres@127.0.0.1:{self.port}"
        self._data = folder / "data"
        self._folder = folder
        command = ["postgres", "-D", str(self._data), "-p", str(self.port)]
        command += ["-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        for setting in settings:
            command += ["-c", setting]
        super().__init__(command, self._answers, log=folder / "log", user="postgres")

    def start(self) -> None:
        """Makes its files the first time."""
        if self.given:
            return
        if not self._data.exists():
            own(self._folder, "postgres")
            initdb = [_program("initdb"), "-D", str(self._data), "-A", "trust", "-U", "postgres"]
            run = subprocess.run(
                [*initdb, "-E", "UTF8", "--locale=C", "--no-sync"],
                user="postgres" if os.getuid() == 0 else None,
                capture_output=True,
                text=True,
                cwd=self._folder,
            )
            assert run.returncode == 0, run.stderr
            rules = self._data / "pg_hba.conf"
            rules.write_text(f"{LOCKED}\n{rules.read_text()}")
            self.command[0] = _program("postgres")
        super().start()

    def stop(self, sent: signal.Signals = signal.SIGINT) -> None:
        """Ends it without waiting for clients to leave."""
        super().stop(sent)

    def new_database(self) -> str:
        """The URL of a new empty database."""
        name = f"test_{secrets.token_hex(6)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name}"))
        head, _, tail = self.server_url.partition("?")
        return f"{head.rstrip('/')}/{name}" + (f"?{tail}" if tail else "")

    async def _execute(self, sql: str) -> None:
        head, _, tail = self.server_url.partition("?")
        connection = await asyncpg.connect(f"{head.rstrip('/')}/postgres?{tail}".rstrip("?"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def _answers(self) -> None:
        listens(self.port)()
        try:
            asyncio.run(self._execute("SELECT 1"))
        except asyncpg.PostgresError as starting:
            raise OSError(str(starting)) from starting


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else program(name)
