"""A Redis server."""

from __future__ import annotations

import os
from pathlib import Path

from tests.services.running import Process, free_port, listens, program


class Redis(Process):
    """``PARLOUR_TEST_REDIS`` names one that runs already, whose keys are ours to delete.

    Its own server forgets everything when it ends.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._given = os.environ.get("PARLOUR_TEST_REDIS")
        self.url = self._given or f"redis://127.0.0.1:{self.port}"
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        super().__init__(command, listens(self.port), log=folder / "log")

    def start(self) -> None:
        if self._given:
            return
        self.command[0] = program("redis-server", "valkey-server")
        super().start()
