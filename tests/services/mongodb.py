"""A server that speaks MongoDB's protocol."""

from __future__ import annotations

from pathlib import Path

from tests.services.running import Process, cannot_be_had, free_port, listens


class Mongodb(Process):
    """``PARLOUR_TEST_MONGODB`` names one that runs already."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__([], listens(self.port), log=folder / "log")

    def start(self) -> None:
        cannot_be_had("No server that speaks MongoDB's protocol is installed.")

    def new_database(self) -> str:
        """The URL of a new empty database."""
        raise NotImplementedError
