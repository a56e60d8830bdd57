"""Serving from this very process: the loop, the socket, the server."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from parlour.chat.draining import CLOSING
from parlour.errors import ConfigurationError
from parlour.http.signals import told_to_stop
from parlour.settings import Settings

KEEP_ALIVE: Final = 75
"""Seconds an idle connection is kept: longer than a proxy keeps it, so that the proxy closes it."""
PATIENCE: Final = 3
"""Seconds to close everything after that; what is not closed then is left behind."""
LAST_WORDS: Final = 1.0
"""Seconds that readers have for the end of their streams, after the last turn or a second signal."""


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


async def serve_on(
    listening: socket.socket,
    app: FastAPI,
    settings: Settings,
    *,
    log_level: str,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serves until told to stop; running answers then get ``settings.shutdown_grace`` to finish.

    ``started`` is called when it serves. A second signal ends it at once.
    """
    ending = settings.shutdown_grace + CLOSING + LAST_WORDS
    config = uvicorn.Config(
        app,
        log_level=log_level,
        timeout_graceful_shutdown=math.ceil(ending),
        timeout_keep_alive=KEEP_ALIVE,
        forwarded_allow_ips=settings.trusted_proxies,
        ws="none",
        server_header=False,
    )
    await _Server(config, started).serve(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends with exit code 0 when it is told to end, and never without closing its app."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.should_exit = True
            logging.getLogger("uvicorn.error").addFilter(_not_a_cut_stream)
            _end_within((self.config.timeout_graceful_shutdown or 0) + PATIENCE)

        def hurry() -> None:
            loop.call_soon_threadsafe(loop.call_later, LAST_WORDS, self._hang_up)
            _end_within(LAST_WORDS + CLOSING + PATIENCE)

        with told_to_stop(stop, hurry, alone=True):
            yield

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _end_within(seconds: float) -> None:
    """Ends the process by force if something, such as a hosted server's code, keeps it from ending."""

    def end() -> None:
        sys.stderr.write("Parlour was ended by force: something blocks it, or will not stop.\n")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _not_a_cut_stream(record: logging.LogRecord) -> bool:
    """Readers of another server's turns are cut on purpose, and uvicorn calls that an error."""
    return record.msg != "ASGI callable returned without completing response."


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
