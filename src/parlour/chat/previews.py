"""Previews of images: small, re-encoded, and never a reason for an upload to fail."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Final

MAX_IMAGE_BYTES: Final = 32 * 1024 * 1024
SECONDS: Final = 15.0
_AT_ONCE: Final = 2
_PROGRAM: Final = (sys.executable, "-I", "-m", "parlour.chat.thumbnail")

log = logging.getLogger(__name__)


class Previews:
    """Makes previews, two at a time, each in a process that is ended when it takes too long."""

    MEDIA_TYPE: Final = "image/webp"

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def make(self, image: bytes) -> bytes | None:
        """A preview of at most 512 pixels a side; None when none can be made."""
        async with self._places:
            try:
                return await asyncio.to_thread(_run, image)
            except (OSError, subprocess.SubprocessError) as failed:
                log.info("an image got no preview: %r", failed)
                return None


def _run(image: bytes) -> bytes:
    # In a thread, not by asyncio's own processes, which not every event loop offers everywhere.
    done = subprocess.run(
        _PROGRAM, input=image, capture_output=True, timeout=SECONDS, check=True, close_fds=True
    )
    return done.stdout
