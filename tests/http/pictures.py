"""Real files of many kinds, made here."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

from PIL import Image

Size = tuple[int, int]


def image(kind: str, size: Size = (40, 20), **how: object) -> bytes:
    """A red image; ``kind`` as Pillow names it."""
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, kind, **how)
    return data.getvalue()


def animation(kind: str) -> bytes:
    """Red, then blue."""
    data = io.BytesIO()
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue")]
    frames[0].save(data, kind, save_all=True, append_images=frames[1:], duration=100)
    return data.getvalue()


def photograph() -> bytes:
    """A JPEG that lies on its side, with the place where it was taken."""
    picture = Image.new("RGB", (1200, 600), "green")
    picture.paste("red", (0, 0, 600, 600))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "Camera of Ada"
    data = io.BytesIO()
    picture.save(data, "JPEG", exif=exif)
    return data.getvalue()


def archive(*names: str) -> bytes:
    """A ZIP with these entries."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return data.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few megabytes that would fill gigabytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    line = b"\0" * (side * 3 + 1)
    body = b"".join(packer.compress(line) for _ in range(600)) + packer.flush()
    chunks = [_chunk(b"IHDR", head), _chunk(b"IDAT", body), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def scan_bomb() -> bytes:
    """A JPEG of 300 KB that is drawn over and over again, for a minute."""
    data = image("JPEG", (7000, 7000), progressive=True, quality=50)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last_scan * 1000 + data[-2:]


PNG = image("PNG")
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
HTML = b"<!DOCTYPE html><html><body><script>alert(document.domain)</script></body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TEXT = "Grüße, and a line of text.\n".encode()
GZIP = gzip.compress(TEXT)
DOCX = archive("[Content_Types].xml", "word/document.xml")
PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(57)
NOISE = bytes(range(256)) * 8
"""Bytes of no kind."""
