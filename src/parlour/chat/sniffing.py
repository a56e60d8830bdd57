"""What bytes are, and whether that is what they were said to be.

A table of our own: signatures that cannot be mistaken, where libraries guess (the ones in reach take
any ZIP for a Word document, and text that begins with BM for a picture).
"""

from __future__ import annotations

import re
from typing import Final

from parlour.errors import AttachmentType

HEAD: Final = 64 * 1024
"""How many of a file's first bytes say what it is."""
UNKNOWN: Final = "application/octet-stream"
PLAIN_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The kinds that every browser shows, and that cannot carry a script."""

_TEXT: Final = "text/plain"
_SVG: Final = "image/svg+xml"
_ZIP: Final = "application/zip"
_OLE: Final = "application/x-ole-storage"

_SIGNATURES: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP8", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\1\0", "image/x-icon"),
    (6, b"\0\0\0\0", "image/bmp"),  # and BM before it
    (4, b"ftypavi", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF-", "application/pdf"),
    (30, b"mimetypeapplication/epub+zip", "application/epub+zip"),
    (0, b"PK\3\4", _ZIP),
    (0, b"PK\5\6", _ZIP),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"fLaC\0", "audio/flac"),
    (0, b"OggS\0", "audio/ogg"),
    (8, b"WAVEfmt ", "audio/wav"),
    (8, b"AVI LIST", "video/x-msvideo"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ\x90\0", "application/vnd.microsoft.portable-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\0asm", "application/wasm"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"{\\rtf", "application/rtf"),
)
_BEFORE: Final = {"image/bmp": b"BM", "image/webp": b"RIFF", "audio/wav": b"RIFF"}
"""What such a file begins with, where its signature stands further on."""

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "application/x-pdf": "application/pdf",
    "application/x-zip-compressed": _ZIP,
    "application/x-gzip": "application/gzip",
    "text/rtf": "application/rtf",
}
_CONTAINED: Final = {
    _ZIP: re.compile(
        r"application/(vnd\.openxmlformats-.*|vnd\.oasis\.opendocument\..*|vnd\.ms-.*macroenabled.*"
        r"|java-archive|vnd\.android\.package-archive|.*\+zip)"
    ),
    _OLE: re.compile(r"application/(msword|vnd\.ms-[a-z]+|x-msi)"),
    "application/gzip": re.compile(r"application/x-(compressed-)?(tar|tgz)"),
}
"""Kinds that are kept in another one's wrapping: to be told apart only by unpacking."""
_RECOGNISED: Final = frozenset(kind for _, _, kind in _SIGNATURES) | {_OLE, _ZIP}
_TEXTUAL: Final = re.compile(
    r"text/.*|.*\+(json|xml|yaml)|application/(json|xml|yaml|x-yaml|toml|javascript|ecmascript"
    r"|x-javascript|typescript|x-sh|x-httpd-php|sql|graphql|x-ndjson|jsonl|x-tex|x-latex|xhtml\+xml)"
)
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Atomic: a comment ends where it ends, or many of them would be tried in every combination.
_MARKUP: Final = re.compile(
    r"(?><!--.*?-->|<\?xml[^>]*>|<!doctype svg[^>]*>|\s)*+<(?:(?P<svg>svg)\b"
    r"|(?P<html>!doctype html|html|head|body|script|iframe|object|embed|meta)\b)",
    re.IGNORECASE | re.DOTALL,
)


def sniff(head: bytes) -> str | None:
    """The media type that a file's first ``HEAD`` bytes show; None when they show none."""
    for at, signature, kind in _SIGNATURES:
        if head.startswith(signature, at) and head.startswith(_BEFORE.get(kind, b"")):
            return kind
    text = _text(head)
    if text is None:
        return None
    markup = _MARKUP.match(text)
    if markup is None:
        return "application/xml" if text.lstrip().startswith("<?xml") else _TEXT
    return _SVG if markup["svg"] else "text/html"


def settle(claim: str, found: str | None) -> str:
    """The media type to keep for bytes that were said to be one thing and look like another.

    ``AttachmentType`` when both cannot be true; docs/attachments.md has the rules as a table.
    """
    claim = _essence(claim)
    family = claim.partition("/")[0]
    if claim == UNKNOWN:
        return found or UNKNOWN
    if family == "image":
        is_image = found is not None and found.startswith("image/")
        fits = is_image and (claim == _SVG) == (found == _SVG)
        return found if fits and found else _refuse(claim, found)
    if family in ("audio", "video"):
        known = found is None or found.startswith(("audio/", "video/"))
        return (found or UNKNOWN) if known else _refuse(claim, found)
    if _is_textual(claim):
        if found == _TEXT:
            return claim
        return found if found and _is_textual(found) else _refuse(claim, found)
    return _settle_application(claim, found)


def _settle_application(claim: str, found: str | None) -> str:
    if found is not None and (pattern := _CONTAINED.get(found)) and pattern.fullmatch(claim):
        return claim
    checkable = claim in _RECOGNISED or any(each.fullmatch(claim) for each in _CONTAINED.values())
    # Windows calls a CSV file an Excel sheet: plain text is what it is, and harms nobody.
    if found == _TEXT:
        return _TEXT if checkable else claim
    if checkable and found != claim:
        return _refuse(claim, found)
    return found or claim


def _refuse(claim: str, found: str | None) -> str:
    seen = f"it looks like {found}" if found else "its bytes do not look like it"
    raise AttachmentType(f"The file was announced as {claim}, but {seen}.")


def _is_textual(kind: str) -> bool:
    return _TEXTUAL.fullmatch(kind) is not None


def _essence(claim: str) -> str:
    """Lower case, without parameters; nonsense claims nothing."""
    kind = claim.partition(";")[0].strip().lower()
    kind = _ALIASES.get(kind, kind)
    return kind if re.fullmatch(r"[a-z]+/[a-z0-9!#$&^_.+-]{1,100}", kind) else UNKNOWN


def _text(head: bytes) -> str | None:
    """The bytes as text, if that is what they are; in what encoding matters little here."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            try:
                text = head[: len(head) & ~1].decode(encoding)
            except UnicodeDecodeError:
                return None
            return None if _CONTROLS.search(text.encode("utf-8", "replace")) else text
    if _CONTROLS.search(head):
        return None
    return head.decode("utf-8", "replace").removeprefix("\ufeff")
