"""``parlour serve``: the production entry."""

from __future__ import annotations

import os

import uvicorn

from parlour.cli.terminal import err, listen, load_settings


def run(server: str | None, *, host: str | None, port: int | None, workers: int) -> None:
    """Serves until told to stop. What the command line says reaches every worker as environment."""
    if server is not None:
        os.environ["PARLOUR_ANSWER"] = f"python:{server}"
    settings = load_settings(host=host, port=port)
    listen(settings.host, settings.port).close()
    if settings.secret is None:
        settings.signing_secret()
        err.print(
            f"[yellow]warning[/]: PARLOUR_SECRET is not set; using the one in {settings.home}/secret"
        )
    if workers > 1 and settings.turnlog == "memory":
        err.print(
            "[yellow]warning[/]: with several workers a dropped answer can be resumed only on the "
            "worker that writes it; its text is kept either way"
        )
    uvicorn.run(
        "parlour.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=workers,
        ws="none",
        timeout_graceful_shutdown=10,
    )
