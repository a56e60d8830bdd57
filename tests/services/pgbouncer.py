"""PgBouncer in transaction mode, before a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tests.services.postgresql import Postgresql
from tests.services.running import Process, free_port, listens, own, program

CONFIG = """
[databases]
* = host={host} port={port} user={user} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
"""


class Pgbouncer(Process):
    """Fewer server connections than clients, so that each transaction may get another one."""

    def __init__(self, folder: Path, server: Postgresql, size: int = 4) -> None:
        self.port = free_port()
        self._server = server
        self._size = size
        self._folder = folder
        command = ["pgbouncer", str(folder / "pgbouncer.ini")]
        super().__init__(command, listens(self.port), log=folder / "log", user="postgres")

    def start(self) -> None:
        """Writes its file first."""
        self.command[0] = program("pgbouncer")
        own(self._folder, "postgres")
        url = urlsplit(self._server.server_url)
        config = CONFIG.format(
            host=url.hostname,
            port=url.port or 5432,
            user=url.username,
            password=f"password={url.password}" if url.password else "",
            own=self.port,
            size=self._size,
        )
        (self._folder / "pgbouncer.ini").write_text(config)
        super().start()

    def new_database(self) -> str:
        """The URL of a new empty database, through here."""
        name = urlsplit(self._server.new_database()).path
        return f"postgresql://postgres@127.0.0.1:{self.port}{name}"
