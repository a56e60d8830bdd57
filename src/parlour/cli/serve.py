"""``parlour serve``: the production entry."""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn

from parlour.app import assemble, create_app
from parlour.cli.here import address, listen, run_until_done, serve_on
from parlour.cli.terminal import err, load_settings, out
from parlour.settings import Settings

GRACE = 10
"""Seconds that open streams have to end after SIGTERM; their text is kept either way."""


def run(server: str | None, *, host: str | None, port: int | None, workers: int) -> None:
    """Serves until told to stop; whatever is wrong with the settings is said before it starts."""
    if server is not None:
        os.environ["PARLOUR_ANSWER"] = f"python:{server}"  # where every worker finds it
    settings = load_settings(host=host, port=port)
    _warn(settings, workers)
    with listen(settings.host, settings.port) as listening:
        if workers == 1:
            run_until_done(_serve(settings, listening))
            return
        port = listening.getsockname()[1]
    asyncio.run(_try(settings))
    uvicorn.run(
        "parlour.app:create_app",
        factory=True,
        host=settings.host,
        port=port,
        workers=workers,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


async def _serve(settings: Settings, listening: socket.socket) -> None:
    app = create_app(settings, assembly=await assemble(settings))
    out.print(f"Parlour serves {address(listening)}{settings.prefix}", highlight=False)
    await serve_on(listening, app, grace=GRACE, log_level="info")


async def _try(settings: Settings) -> None:
    """Opens everything once, so that a mistake is told once, and the pages are indexed once."""
    await (await assemble(settings)).close()


def _warn(settings: Settings, workers: int) -> None:
    if settings.secret is None:
        settings.signing_secret()
        err.print(
            "[yellow]warning[/]: PARLOUR_SECRET is not set; "
            f"the one in {settings.home}/secret is used"
        )
    if workers > 1 and settings.turnlog == "memory":
        err.print(
            "[yellow]warning[/]: with several workers, an answer that was cut off can be read on "
            "only from the worker that writes it; its text is kept either way"
        )
