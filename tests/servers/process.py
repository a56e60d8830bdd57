"""The slow server in a process of its own, to be killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

STARTING = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers slowly, killed without mercy at the end."""
    command = [sys.executable, "-m", "tests.servers.slow", str(home), str(port)]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + STARTING
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the server ended by itself"
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()
