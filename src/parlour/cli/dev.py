"""``parlour dev``: the whole product on embedded defaults, as a visitor would see it."""

from __future__ import annotations

import socket
from pathlib import Path

from rich.markup import escape

from parlour.app import assemble, choose_answerer, create_app
from parlour.cli.here import address, listen, run_until_done, serve_on
from parlour.cli.terminal import default_docs, err, index, load_settings, out, public_url
from parlour.knowledge import Knowledge
from parlour.settings import Settings
from parlour.site import Site

GRACE = 3.0
"""Seconds that running answers have to finish after Ctrl-C; nobody waits longer at a terminal."""
_SKIPPED_SHOWN = 5


def run(*, docs: Path | None, host: str | None, port: int | None) -> None:
    """Indexes the pages, says what was found, and serves until Ctrl-C."""
    settings = load_settings(host=host, port=port, docs=docs)
    settings.shutdown_grace = min(settings.shutdown_grace, GRACE)
    with listen(settings.host, settings.port) as listening:
        run_until_done(_serve(settings, settings.docs or default_docs(), listening))


async def _serve(settings: Settings, docs: Path, listening: socket.socket) -> None:
    knowledge = await index(settings, docs)
    answerer = choose_answerer(settings, knowledge)
    site = Site.from_folder(docs, prefix=settings.prefix)
    parts = await assemble(settings, answerer=answerer, knowledge=knowledge)
    app = create_app(settings, site=site, assembly=parts)
    _say(settings, docs, knowledge, answerer.reason, listening)
    await serve_on(listening, app, settings, log_level="warning")


def _say(
    settings: Settings, docs: Path, knowledge: Knowledge, reason: str, listening: socket.socket
) -> None:
    report = knowledge.report
    out.print()
    _line(
        "Parlour",
        f"{report.files} pages, {report.passages} passages from {docs} in {report.seconds:.1f} s",
    )
    for skipped in report.skipped[:_SKIPPED_SHOWN]:
        err.print(f"  [yellow]left out[/]  {escape(skipped)}")
    if (more := len(report.skipped) - _SKIPPED_SHOWN) > 0:
        err.print(f"  [yellow]left out[/]  {more} more")
    _line("Answers", reason)
    _line("History", public_url(settings.store_spec()))
    out.print(
        f"  [bold]{'Open':<9}[/] [cyan]{address(listening)}{settings.prefix}/[/]"
        "   [dim](Ctrl-C stops)[/]"
    )
    out.print()


def _line(name: str, text: str) -> None:
    out.print(f"  [bold]{name:<9}[/] {escape(text)}", soft_wrap=True)
