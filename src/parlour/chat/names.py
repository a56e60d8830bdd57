"""File names as strangers send them, made safe to keep, to show and to download under."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final

LONGEST: Final = 255
"""Bytes of a name, as file systems count."""

# Controls, halves of surrogate pairs, and what makes a name read backwards (gpj.exe).
_UNWANTED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean_name(name: str) -> str:
    """The last part of a path, without what cannot be seen, of at most 255 bytes; never empty."""
    name = _UNWANTED.sub("", unicodedata.normalize("NFC", name))
    name = re.split(r"[/\\]", name)[-1].strip(" .")
    if len(name.encode()) > LONGEST:
        ending = PurePosixPath(name).suffix.encode()[-32:]
        stem = name.encode()[: LONGEST - len(ending)]
        name = (stem + ending).decode("utf-8", "ignore")
    return name or "file"
