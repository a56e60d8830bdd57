"""A program: an image on standard input, its preview on standard output.

It runs in a process of its own, because a decoder that is given hostile bytes may take any time and
any memory, or crash. It exits with ``NO_IMAGE`` when the bytes are at fault.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Final

from PIL import Image, ImageOps

SIDE: Final = 512
MAX_PIXELS: Final = 50_000_000
SECONDS: Final = 5
MEMORY: Final = 1024**3
NO_IMAGE: Final = 3


def make(data: bytes) -> bytes:
    """WebP of at most 512 pixels a side: upright, the first frame only, and nothing but its pixels."""
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        upright = ImageOps.exif_transpose(image)
    see_through = "A" in upright.getbands() or "transparency" in upright.info
    upright = upright.convert("RGBA" if see_through else "RGB")
    upright.thumbnail((SIDE, SIDE))
    # A new image has none of the old one's metadata: no place, no camera, no colour profile.
    clean = Image.new(upright.mode, upright.size)
    clean.paste(upright)
    preview = io.BytesIO()
    clean.save(preview, "WEBP", quality=80)
    return preview.getvalue()


def _bound() -> None:
    """Lets this process take no more than its share; on Windows the caller's patience must do."""
    if sys.platform != "win32":
        import resource

        os.nice(5)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    _bound()
    warnings.simplefilter("ignore")
    try:
        preview = make(sys.stdin.buffer.read())
    except Exception:
        sys.exit(NO_IMAGE)
    sys.stdout.buffer.write(preview)
