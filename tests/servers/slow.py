"""A server process of its own that answers slowly: ``python -m tests.servers.slow HOME PORT``."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from parlour.app import create_app
from parlour.settings import Settings
from parlour.site import Site
from tests.servers.answerers import Scripted, say

WORDS = [f"word{n} " for n in range(400)]
PAGES = Path(__file__).parents[1] / "knowledge" / "site"

if __name__ == "__main__":
    settings = Settings(home=Path(sys.argv[1]), shutdown_grace=0)
    app = create_app(
        settings, answerer=Scripted(say(*WORDS, delay=0.02)), site=Site.from_folder(PAGES)
    )
    uvicorn.run(app, port=int(sys.argv[2]), log_level="error", timeout_graceful_shutdown=1)
