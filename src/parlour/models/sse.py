"""Server-sent events, as far as language models use them: the payloads of ``data:`` lines."""

from __future__ import annotations

from parlour.errors import ModelFailed

MAX_LINE_BYTES = 4_000_000
"""Longer than any honest event (an image in base64 would fit), short enough to hold."""


class DataLines:
    """Cuts a stream of bytes, however it arrives, into the payloads of its ``data:`` lines.

    Only whole lines leave, so a character that was split between two reads is whole again.
    Comments, empty lines and other fields are left out.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads completed by these bytes; ``ModelFailed`` when a line has no end."""
        if b"\n" not in data:
            self._hold(data)
            return []
        self._pieces.append(data)
        *lines, rest = b"".join(self._pieces).split(b"\n")
        self._pieces, self._held = [], 0
        self._hold(rest)
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > MAX_LINE_BYTES:
                raise ModelFailed(
                    f"The model sent a line of more than {MAX_LINE_BYTES:,} bytes.",
                    hint="Check that OPENAI_BASE_URL is a Chat Completions endpoint.",
                    retryable=False,
                )
