"""``parlour dev``: the whole product on embedded defaults, as a visitor would see it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import uvicorn
from rich.markup import escape

from parlour.app import choose_answerer, create_app
from parlour.cli.terminal import default_docs, err, index, listen, load_settings, out
from parlour.knowledge import Knowledge
from parlour.settings import Settings
from parlour.site import Site

GRACE = 3
"""Seconds that open streams have to end after Ctrl-C; their text is kept either way."""


def run(*, docs: Path | None, host: str | None, port: int | None) -> None:
    """Indexes the pages, says what was found, and serves until Ctrl-C."""
    settings = load_settings(host=host, port=port, docs=docs)
    listening = listen(settings.host, settings.port)
    try:
        with asyncio.Runner(loop_factory=_loop()) as runner:
            runner.run(_serve(settings, settings.docs or default_docs(), listening))
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()


async def _serve(settings: Settings, docs: Path, listening: socket.socket) -> None:
    knowledge = await index(settings, docs)
    answerer = choose_answerer(settings, knowledge)
    site = Site.from_folder(docs, prefix=settings.prefix)
    app = create_app(settings, answerer=answerer, knowledge=knowledge, site=site)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE, ws="none")
    )
    _say(settings, docs, knowledge, answerer.reason, listening)
    await server.serve(sockets=[listening])


def _say(
    settings: Settings, docs: Path, knowledge: Knowledge, reason: str, listening: socket.socket
) -> None:
    report = knowledge.report
    out.print()
    out.print(
        f"  [bold]Parlour[/]   {report.files} pages, {report.passages} passages from "
        f"{escape(str(docs))} in {report.seconds:.1f} s"
    )
    for skipped in report.skipped[:5]:
        err.print(f"            [yellow]left out[/] {escape(skipped)}")
    if len(report.skipped) > 5:
        err.print(f"            [yellow]left out[/] {len(report.skipped) - 5} more")
    out.print(f"  [bold]Answers[/]   {escape(reason)}")
    out.print(f"  [bold]History[/]   {escape(settings.store_spec())}")
    host, port = listening.getsockname()[:2]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
    out.print(f"  [bold]Open[/]      [cyan]http://{shown}:{port}/[/]   [dim](Ctrl-C stops)[/]")
    out.print()


def _loop() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
