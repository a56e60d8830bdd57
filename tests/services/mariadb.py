"""A MariaDB server."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
from pathlib import Path

import asyncmy

from tests.services.running import Process, free_port, listens, own, program


class Mariadb(Process):
    """``PARLOUR_TEST_MYSQL`` names one that runs already (MySQL or MariaDB): a URL of a user who may
    create databases.

    Its own server keeps latin1 as the default character set, as many older installations do, and
    leaves it to the system when the disk is written: nothing is lost when the server is killed.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.given = os.environ.get("PARLOUR_TEST_MYSQL")
        self.server_url = self.given or f"mysql://root@127.0.0.1:{self.port}"
        self._data = folder / "data"
        self._folder = folder
        command = ["mariadbd", "--no-defaults", f"--datadir={self._data}"]
        command += [f"--socket={folder / 's'}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        command += ["--character-set-server=latin1", f"--pid-file={folder / 'pid'}"]
        command += ["--innodb-flush-log-at-trx-commit=2", *settings]
        if os.getuid() == 0:
            command.append("--user=mysql")
        super().__init__(command, self._answers, log=folder / "log")

    def start(self) -> None:
        """Makes its files the first time."""
        if self.given:
            return
        if not self._data.exists():
            own(self._folder, "mysql")
            self.command[0] = program("mariadbd")
            install = [program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}"]
            install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
            if os.getuid() == 0:
                install.append("--user=mysql")
            run = subprocess.run(install, capture_output=True, text=True)
            assert run.returncode == 0, run.stderr
        super().start()

    def new_database(self) -> str:
        """The URL of a new empty database."""
        name = f"test_{secrets.token_hex(6)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name}"))
        return f"{self.server_url}/{name}"

    async def _execute(self, sql: str) -> None:
        from sqlalchemy.engine import make_url

        url = make_url(self.server_url)
        connection = await asyncmy.connect(
            host=url.host or "127.0.0.1",
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(sql)
        finally:
            connection.close()

    def _answers(self) -> None:
        listens(self.port)()
        try:
            asyncio.run(self._execute("SELECT 1"))
        except asyncmy.errors.Error as starting:
            raise OSError(str(starting)) from starting
