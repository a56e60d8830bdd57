"""A server that speaks MongoDB's protocol: mongo-java-server, made to keep what it acknowledges.

It is not mongod. What it stands for: the wire protocol, commands that are atomic, unique indexes,
data that survives ``kill -9``. What it does not have: secondary indexes and query plans, sessions,
transactions, replica sets, write concern, authentication.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from tests.services.running import Process, cannot_be_had, free_port, listens, program

SOURCE = Path(__file__).parent / "mongodb_server"


class Mongodb(Process):
    """``PARLOUR_TEST_MONGODB`` names one that runs already: a URL of a user who may create
    databases. Its own keeps its data in a file, whether it is stopped or killed."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.given = os.environ.get("PARLOUR_TEST_MONGODB")
        self.server_url = self.given or f"mongodb://127.0.0.1:{self.port}"
        built = _built()
        # Two compilers and a collector that share two cores with the tests cost more than they save.
        command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx768m"]
        command += ["-cp", f"{built}/*:{built}", "DurableServer", str(self.port)]
        command.append(str(folder / "data"))
        self._built = built
        super().__init__(command, listens(self.port), log=folder / "log")

    def start(self) -> None:
        if self.given:
            return
        self.command[0] = program("java")
        if not self._built.is_dir():
            cannot_be_had("The MongoDB server is not built; scripts/services builds it.")
        super().start()

    def new_database(self) -> str:
        """The URL of a new empty database."""
        head, _, tail = self.server_url.partition("?")
        scheme, _, rest = head.partition("://")
        host = rest.partition("/")[0]
        return f"{scheme}://{host}/test_{secrets.token_hex(6)}" + (f"?{tail}" if tail else "")


def _built() -> Path:
    """Where scripts/services puts what it makes of exactly these sources."""
    names = ("pom.xml", "SHA256SUMS", "DurableServer.java")
    sources = b"".join((SOURCE / name).read_bytes() for name in names)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "parlour-tests" / f"mongodb-{hashlib.sha256(sources).hexdigest()[:12]}"
