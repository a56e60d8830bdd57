"""What a forked server does in its own process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from parlour.answer.base import Answerer
from parlour.app import create_app
from parlour.cli.here import listen, run_until_done, serve_on
from parlour.settings import Settings
from tests.servers.answerers import Scripted, say

ANSWERERS: dict[str, Callable[[], Answerer]] = {
    "slow": lambda: Scripted(say(*numbered(400), delay=0.02)),
    "brisk": lambda: Scripted(say(*numbered(40), delay=0.02)),
    "quick": lambda: Scripted(say(*numbered(40))),
}
"""8 seconds, 0.8 seconds, and at once."""


def numbered(words: int) -> list[str]:
    """``word0 word1 …``: a missing or doubled word is seen."""
    return [f"word{n} " for n in range(words)]


def serve(
    spec: dict[str, object], port: int, answerer: str | Callable[[], Answerer] | None
) -> None:
    """Serves until told to stop, as ``parlour serve`` does."""
    settings = Settings.model_validate(spec)
    made = ANSWERERS[answerer] if isinstance(answerer, str) else answerer
    app = create_app(settings, answerer=made() if made else None)
    with listen("127.0.0.1", port) as listening:
        run_until_done(serve_on(listening, app, settings, log_level="warning"))


def command(environment: dict[str, str], folder: str, *arguments: str) -> None:
    """The command ``parlour`` in this folder with nothing but this environment of ours."""
    for name in [name for name in os.environ if name.startswith("PARLOUR_")]:
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["parlour", *arguments]
    from parlour.cli.main import main

    main()
