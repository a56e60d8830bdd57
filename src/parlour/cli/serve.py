"""``parlour serve``: the production entry."""

from __future__ import annotations

import os
import socket
from functools import partial

from parlour.app import assemble, create_app
from parlour.cli.here import address, listen, run_until_done, serve_on
from parlour.cli.terminal import err, load_settings, out
from parlour.cli.workers import Started, Workers, child
from parlour.errors import ConfigurationError
from parlour.settings import Settings


def run(server: str | None, *, host: str | None, port: int | None, workers: int) -> None:
    """Serves until told to stop; whatever is wrong with the settings is said before it starts."""
    if server is not None:
        os.environ["PARLOUR_ANSWER"] = f"python:{server}"  # where every worker finds it
    settings = load_settings(host=host, port=port)
    if workers > 1:
        _require_shared(settings)
    _warn(settings)
    with listen(settings.host, settings.port) as listening:
        if workers == 1:
            run_until_done(_serve(settings, listening))
            return
        # In a process of its own, so that this one stays without threads and can be forked.
        child(_try, settings)
        _say(settings, listening)
        work = partial(_work, host, port)
        Workers(listening, work, count=workers, grace=settings.shutdown_grace).run()


async def _serve(settings: Settings, listening: socket.socket) -> None:
    app = create_app(settings, assembly=await assemble(settings))
    _say(settings, listening)
    await serve_on(listening, app, settings, log_level="info")


def _work(host: str | None, port: int | None, listening: socket.socket, started: Started) -> None:
    """A worker's whole life; it reads the settings itself, so that a reload takes new ones."""

    async def serve() -> None:
        settings = load_settings(host=host, port=port)
        app = create_app(settings, assembly=await assemble(settings))
        await serve_on(listening, app, settings, log_level="info", started=started)

    run_until_done(serve())


def _try(settings: Settings) -> None:
    """Opens everything once, so that a mistake is told once, and the pages are indexed once."""

    async def opened() -> None:
        await (await assemble(settings)).close()

    run_until_done(opened())


def _require_shared(settings: Settings) -> None:
    if os.name != "posix":
        raise ConfigurationError("Several workers need Linux or macOS.", hint="Use --workers 1.")
    if settings.turnlog_spec() == "memory":
        raise ConfigurationError(
            "Several workers need Redis to share running answers, and REDIS_URL is not set.",
            hint="Set REDIS_URL=redis://…, or serve with --workers 1.",
        )


def _say(settings: Settings, listening: socket.socket) -> None:
    out.print(f"Parlour serves {address(listening)}{settings.prefix}", highlight=False)


def _warn(settings: Settings) -> None:
    if settings.secret is None:
        settings.signing_secret()
        err.print(
            "[yellow]warning[/]: PARLOUR_SECRET is not set; "
            f"the one in {settings.home}/secret is used"
        )
