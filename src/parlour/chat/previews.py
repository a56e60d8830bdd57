"""Previews of images: small, re-encoded, and never a reason for an upload to fail."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Final

MAX_IMAGE_BYTES: Final = 32 * 1024 * 1024
SECONDS: Final = 15.0
_AT_ONCE: Final = 2
_PROGRAM: Final = (sys.executable, "-P", "-m", "parlour.chat.thumbnail")
_NO_IMAGE: Final = 3
"""The program's exit code when the image is what is wrong."""

log = logging.getLogger(__name__)


class Previews:
    """Makes previews, two at a time, each in a process that is ended when it takes too long."""

    MEDIA_TYPE: Final = "image/webp"

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def make(self, read: Callable[[], Awaitable[bytes]]) -> bytes | None:
        """A preview of at most 512 pixels a side; None when none can be made.

        The image is read when its turn has come: those that wait take no memory.
        """
        async with self._places:
            try:
                return await asyncio.to_thread(_run, await read())
            except subprocess.TimeoutExpired:
                log.info("an image took too long to draw and got no preview")
            except OSError as failed:
                log.warning("previews cannot be made: %r", failed)
        return None


def _run(image: bytes) -> bytes | None:
    # In a thread, not by asyncio's own processes, which not every event loop offers everywhere.
    done = subprocess.run(_PROGRAM, input=image, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode == 0:
        return done.stdout
    if done.returncode > 0 and done.returncode != _NO_IMAGE:
        reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        log.warning("previews cannot be made: %s", reason)
    return None
