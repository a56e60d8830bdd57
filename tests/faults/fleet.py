"""Server processes that answer orders, to be killed, stopped and started again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from parlour.answer.base import Answerer
from tests.servers.dictated import Dictated
from tests.servers.forked import ForkedServer
from tests.services.running import free_port

SECRET = "one-secret-for-every-server-of-a-fleet"


class Server:
    """A server on a port of its own, which it keeps over its lives."""

    def __init__(
        self,
        home: Path,
        *,
        answerer: Callable[[], Answerer] | None = Dictated,
        **settings: object,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.spec: dict[str, object] = {"home": home, "secret": SECRET, **settings}
        self._answerer = answerer
        self._life: ForkedServer | None = None

    @property
    def pid(self) -> int:
        assert self._life is not None
        return self._life.pid

    @property
    def running(self) -> bool:
        return self._life is not None and self._life.running

    @property
    def said(self) -> str:
        """What it has printed in all its lives."""
        assert self._life is not None
        return self._life.said

    def start(self) -> Server:
        """Starts it, and returns when it answers."""
        self._life = ForkedServer(self.spec, self.port, self._answerer)
        self._life.ready()
        return self

    def kill(self) -> float:
        """Ends it without mercy; when that was, by ``time.monotonic()``."""
        struck = time.monotonic()
        if self._life is not None:
            self._life.kill()
        return struck

    def stop(self, patience: float = 60) -> int:
        """Ends it as an operator would, and waits."""
        assert self._life is not None
        self._life.signal(signal.SIGTERM)
        return self._life.wait(patience)

    def resident(self) -> int:
        """Bytes of memory it has now."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
