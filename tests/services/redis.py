"""A Redis server."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.services.running import Process, free_port, listens, program


class Redis(Process):
    """``PARLOUR_TEST_REDIS`` names one that runs already, whose keys are ours to delete.

    Its own server forgets everything when it ends. ``ours`` is one that a test may break, with
    ``options`` for the command line.
    """

    def __init__(self, folder: Path, *options: str, ours: bool = False) -> None:
        self.port = free_port()
        self.given = None if ours else os.environ.get("PARLOUR_TEST_REDIS")
        self.url = self.given or f"redis://127.0.0.1:{self.port}"
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder), *options]
        super().__init__(command, listens(self.port), log=folder / "log")

    def start(self) -> None:
        if self.given:
            return
        self.command[0] = program("redis-server", "valkey-server")
        super().start()

    def freeze(self, seconds: float) -> None:
        """Stands still for so long, as a machine that is moved does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)

    def client(self, *words: str | int) -> Sequence[str]:
        """The lines that redis-cli prints for a command."""
        command = ["redis-cli", "-u", self.url, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
