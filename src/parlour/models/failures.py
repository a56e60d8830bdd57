"""What went wrong, in the provider's own words where it gave some, and never with the key."""

from __future__ import annotations

import re

import msgspec

from parlour.errors import ModelFailed

MAX_WORDS = 300
RETRYABLE = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may succeed."""

_HINTS = {
    400: "The provider refuses the request: check PARLOUR_MODEL.",
    401: "Check OPENAI_API_KEY.",
    403: "Check what OPENAI_API_KEY is allowed to use.",
    404: "Check PARLOUR_MODEL and OPENAI_BASE_URL (it usually ends with /v1).",
    413: "Lower PARLOUR_HISTORY_ITEMS.",
    429: "Wait a little, or raise the limits or the credit at the provider.",
}

# What providers quote back at whoever sent it: keys, masked or not, and account names.
_SECRET = re.compile(r"\b(?:sk|pk|gsk|xai|key|org|proj)[-_][\w*.…-]*[\w*…-]", re.ASCII)
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


def http_failure(status: int, kind: str, body: bytes) -> ModelFailed:
    """The failure behind an HTTP error; ``kind`` is the body's content type."""
    words = body_words(kind, body)
    exhausted = b"insufficient_quota" in body
    return ModelFailed(
        f"The model's provider answered {status}{': ' + words if words else '.'}",
        hint=_HINTS.get(status, "Ask again later; the provider's status page may say more."),
        retryable=status in RETRYABLE and not exhausted,
    )


def body_words(kind: str, body: bytes) -> str:
    """What an error's body says, in one line."""
    text = body.decode("utf-8", "replace")
    if "html" in kind:
        title = _TITLE.search(text)
        return one_line(title.group(1)) if title else ""
    try:
        return provider_words(msgspec.json.decode(body))
    except msgspec.DecodeError:
        return one_line(text)


def provider_words(error: object) -> str:
    """The message inside an error of any of the shapes in use."""
    while isinstance(error, dict | list) and error:
        if isinstance(error, list):
            error = error[0]
            continue
        for key in ("error", "message", "detail", "msg", "code"):
            if error.get(key):
                error = error[key]
                break
        else:
            return "an error without words"
    return one_line(str(error or "an error without words"))


def one_line(text: str) -> str:
    """Trimmed, on one line, and without anything that looks like a key."""
    line = _SECRET.sub("…", " ".join(text.split()))
    return line if len(line) <= MAX_WORDS else line[:MAX_WORDS] + "…"
