"""Several servers that share a database and Redis, behind one nginx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.forked import ForkedServer
from tests.services.nginx import Nginx, shipped
from tests.services.running import free_port


class Cluster:
    """``servers`` may be stopped and started one by one; ``url`` is nginx, which asks them in turn."""

    def __init__(self, folder: Path, spec: dict[str, object], *, answerer: str, count: int) -> None:
        self._spec = {**spec, "home": folder}
        self._answerer = answerer
        self.servers = [self._fork(free_port()) for _ in range(count)]
        port = free_port()
        ports = [server.port for server in self.servers]
        self.nginx = Nginx(folder / "nginx", shipped(ports, port=port), port=port)
        self.url = self.nginx.url

    def start(self) -> None:
        for server in self.servers:
            server.ready()
        self.nginx.start()

    def restart(self, number: int) -> int:
        """Tells a server to stop, waits for that, starts it again; its exit code."""
        server = self.servers[number]
        server.terminate()
        code = server.wait()
        self.servers[number] = self._fork(server.port)
        self.servers[number].ready()
        return code

    def end(self) -> None:
        self.nginx.kill()
        for server in self.servers:
            server.kill()

    def _fork(self, port: int) -> ForkedServer:
        return ForkedServer(self._spec, port, self._answerer)


@contextmanager
def cluster(
    folder: Path, spec: dict[str, object], *, answerer: str = "brisk", count: int = 3
) -> Iterator[Cluster]:
    """Servers with these settings and an nginx before them, all ready."""
    made = Cluster(folder, spec, answerer=answerer, count=count)
    try:
        made.start()
        yield made
    finally:
        made.end()
