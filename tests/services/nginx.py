"""A real nginx with a configuration of a test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.running import Process, free_port, listens, program

SHIPPED = Path(__file__).parents[2] / "deploy/nginx/parlour.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def shipped(servers: Sequence[int], *, port: int, changes: dict[str, str] | None = None) -> str:
    """Our own configuration, listening on ``port``, for servers on these ports."""
    text = SHIPPED.read_text("utf-8")
    for number in range(8001, 8004):
        line = f"    server 127.0.0.1:{number} max_fails=0;\n"
        assert line in text
        text = text.replace(line, "")
    lines = "".join(f"    server 127.0.0.1:{each} max_fails=0;\n" for each in servers)
    replaced = {
        "upstream parlour {\n": f"upstream parlour {{\n{lines}",
        "listen 80;": f"listen 127.0.0.1:{port};",
        **(changes or {}),
    }
    for old, new in replaced.items():
        assert old in text, f"{old!r} is not in {SHIPPED}"
        text = text.replace(old, new)
    return text


class Nginx(Process):
    """nginx with this text as its http block; needs no root and touches only its folder."""

    def __init__(self, folder: Path, http: str, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        paths = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in _TEMPORARY)
        self.config = folder / "nginx.conf"
        self.config.write_text(
            f"{'user root;' if os.getuid() == 0 else ''}\n"
            f"worker_processes 1;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/log warn;\n"
            f"events {{ worker_connections 2048; }}\n"
            f"http {{\n{paths}    access_log {folder}/access;\n{http}\n}}\n"
        )
        command = [program("nginx"), "-c", str(self.config), "-e", f"{folder}/log"]
        super().__init__(command, listens(self.port), log=folder / "output")

    def check(self) -> str:
        """What ``nginx -t`` says; fails when it finds something wrong."""
        run = subprocess.run([*self.command, "-t"], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stderr
