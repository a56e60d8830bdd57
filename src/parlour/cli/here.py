"""Serving from this very process: the loop, the socket, the server."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine

import uvicorn
from fastapi import FastAPI

from parlour.errors import ConfigurationError


def run_until_done(work: Coroutine[object, object, None]) -> None:
    """Runs on the fastest event loop there is; Ctrl-C is a normal end."""
    try:
        import uvloop

        factory = uvloop.Loop
    except ImportError:
        factory = None
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(work)
    except KeyboardInterrupt:
        pass


async def serve_on(listening: socket.socket, app: FastAPI, *, grace: int, log_level: str) -> None:
    """Serves until told to stop; open streams then get ``grace`` seconds to end."""
    config = uvicorn.Config(
        app, log_level=log_level, timeout_graceful_shutdown=grace, ws="none", server_header=False
    )
    await uvicorn.Server(config).serve(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; ``ConfigurationError`` when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            hint="Stop what uses the port, or choose another: --port 0 takes a free one.",
        ) from None
    opened.listen(2048)
    return opened


def address(listening: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = listening.getsockname()[:2]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
    return f"http://{shown}:{port}"
