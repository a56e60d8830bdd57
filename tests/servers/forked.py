"""Server processes that start at once: forked from a process that has imported everything."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.process import free_port

if TYPE_CHECKING:
    from parlour.answer.base import Answerer

PATIENCE = 60.0
WARM = (
    "tests.servers.forked_child",
    "parlour.answer.extract",
    "parlour.answer.model",
    "parlour.cli.serve",
    "parlour.files.local",
    "parlour.identity.guest",
    "parlour.models.completions",
    "parlour.stores.sqlite",
    "parlour.stores.revision",
    "parlour.turnlog.memory",
    "parlour.turnlog.redis",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.mysql.asyncmy",
    "asyncpg",
    "asyncmy",
    "pymongo",
    "uvloop",
    "httptools",
    "pytest",
)
"""What every server imports; a module that is not installed is passed over."""

_WARMED = multiprocessing.get_context("forkserver")
_WARMED.set_forkserver_preload(list(WARM))


class Forked:
    """A process that was forked from the warmed one; whatever it prints is in ``log``."""

    def __init__(self, target: Callable[..., None], *arguments: object, log: Path) -> None:
        self.log = log
        self._process = _WARMED.Process(target=_run, args=(log, target, arguments))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def signal(self, sent: signal.Signals) -> None:
        os.kill(self.pid, sent)

    def terminate(self) -> None:
        """Tells it to stop, as an operator would; does not wait."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it without mercy, and waits."""
        self._process.kill()
        self._process.join()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Its exit code, which is minus the signal's number where a signal ended it."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"it still runs\n{self.said[-3000:]}"
        return self._process.exitcode


class ForkedServer(Forked):
    """A Parlour server of its own at ``url``."""

    def __init__(
        self, spec: dict[str, object], port: int, answerer: str | Callable[[], Answerer] | None
    ) -> None:
        from tests.servers import forked_child

        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        home = Path(str(spec["home"]))
        home.mkdir(parents=True, exist_ok=True)
        super().__init__(forked_child.serve, spec, port, answerer, log=home / f"server-{port}.log")

    def ready(self) -> None:
        """Returns when it answers requests."""
        end = time.monotonic() + PATIENCE
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", "/health")
                connection.getresponse().read()
                return
            except (OSError, http.client.HTTPException):
                assert self.running, f"the server ended by itself\n{self.said[-3000:]}"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.01)
            finally:
                connection.close()


@contextmanager
def forked_server(
    spec: dict[str, object],
    port: int | None = None,
    answerer: str | Callable[[], Answerer] | None = "slow",
) -> Iterator[ForkedServer]:
    """A server process with these settings, ready; killed without mercy at the end.

    ``spec`` needs ``home``. ``answerer`` is a name of ``forked_child.ANSWERERS``, a function of a
    module that makes one, or ``None`` for the one the settings name. It serves as ``parlour serve``
    does, so it shuts down as that does.
    """
    server = ForkedServer(spec, port or free_port(), answerer)
    try:
        server.ready()
        yield server
    finally:
        server.kill()


def _run(log: Path, target: Callable[..., None], arguments: tuple[object, ...]) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    target(*arguments)


def _end_with_parent() -> None:
    """A test run that is killed leaves no servers behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
