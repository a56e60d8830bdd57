"""What uploaded bytes are, what they may be called, and how images are shown."""

from __future__ import annotations

import io

from PIL import Image

from parlour.protocol import JsonObject
from tests.http import pictures
from tests.http.conftest import Kept
from tests.http.pictures import HTML, NOISE, PDF, PNG, SVG, TEXT
from tests.http.uploading import announce, direct, put_raw, refusal, stranger
from tests.servers.client import Visitor, message

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


# -- what bytes are ------------------------------------------------------------------------------


KINDS = [
    ("image/png", PNG, "image/png"),
    ("image/jpeg", pictures.image("JPEG"), "image/jpeg"),
    ("image/gif", pictures.image("GIF"), "image/gif"),
    ("image/webp", pictures.image("WEBP"), "image/webp"),
    ("image/jpeg", pictures.image("WEBP"), "image/webp"),  # a wrong ending is no lie
    ("image/bmp", pictures.image("BMP"), "image/bmp"),
    ("image/tiff", pictures.image("TIFF"), "image/tiff"),
    ("", PNG, "image/png"),
    ("application/octet-stream", PNG, "image/png"),
    ("nonsense", PDF, "application/pdf"),
    ("application/pdf", PDF, "application/pdf"),
    ("application/zip", pictures.archive("a.txt"), "application/zip"),
    ("application/x-zip-compressed", pictures.archive("a.txt"), "application/zip"),
    ("", pictures.DOCX, "application/zip"),
    (WORD, pictures.DOCX, WORD),
    ("application/gzip", pictures.GZIP, "application/gzip"),
    ("text/plain", TEXT, "text/plain"),
    ("text/markdown; charset=utf-8", TEXT, "text/markdown"),
    ("application/json", b'{"a": 1}', "application/json"),
    ("text/csv", "Größe;Preis\n".encode("latin-1"), "text/csv"),
    ("text/plain", "Grüße".encode("utf-16"), "text/plain"),
    ("text/plain", b"BMW and II. and MZ and GIF are words", "text/plain"),
    ("application/vnd.ms-excel", b"a;b\n1;2\n", "text/plain"),
    ("text/plain", HTML, "text/html"),
    ("text/html", HTML, "text/html"),
    ("text/plain", SVG, "image/svg+xml"),
    ("image/svg+xml", SVG, "image/svg+xml"),
    ("image/svg+xml", b'<?xml version="1.0"?>\n<!-- x --><svg/>', "image/svg+xml"),
    ("application/acad", NOISE, "application/acad"),
    ("application/acad", HTML, "text/html"),
    ("application/acad", SVG, "image/svg+xml"),
    ("application/acad", TEXT, "application/acad"),
    ("video/mp4", NOISE, "application/octet-stream"),
    ("audio/mpeg", b"ID3\x03" + bytes(60), "audio/mpeg"),
    ("", NOISE, "application/octet-stream"),
    ("", pictures.PROGRAM, "application/x-executable"),
]


def test_what_is_kept_is_what_the_bytes_are(visitor: Visitor) -> None:
    for claim, data, kind in KINDS:
        check_kind(visitor, claim, data, kind)


def check_kind(visitor: Visitor, claim: str, data: bytes, kind: str) -> None:
    made = direct(visitor, data, claim)
    assert made.status_code == 200, made.text
    assert made.json()["mime_type"] == kind
    shown = visitor.http.get(f"/files/{made.json()['id']}")
    assert shown.content == data
    plain = kind in ("image/png", "image/jpeg", "image/gif", "image/webp")
    assert made.json()["type"] == ("image" if plain else "file")
    assert shown.headers["content-type"] == (kind if plain else "application/octet-stream")
    assert shown.headers["content-disposition"].partition(";")[0] == (
        "inline" if plain else "attachment"
    )


LIES = [
    ("image/png", HTML),
    ("image/png", SVG),
    ("image/jpeg", PDF),
    ("image/png", TEXT),
    ("image/png", NOISE),
    ("image/png", b"GIF"),
    ("image/svg+xml", HTML),
    ("image/svg+xml", PNG),
    ("text/plain", NOISE),
    ("text/plain", pictures.PROGRAM),
    ("text/html", PNG),
    ("application/json", pictures.GZIP),
    ("application/pdf", HTML),
    ("application/pdf", NOISE),
    ("application/pdf", PNG),
    ("application/zip", PDF),
    ("application/msword", pictures.archive("a")),
    ("audio/mpeg", HTML),
    ("video/mp4", pictures.PROGRAM),
]


def test_what_is_not_what_it_was_said_to_be_is_refused(visitor: Visitor, kept: Kept) -> None:
    for claim, data in LIES:
        check_lie(visitor, claim, data)
    assert kept() == []


def check_lie(visitor: Visitor, claim: str, data: bytes) -> None:
    assert refusal(direct(visitor, data, claim), 415) == "attachment_type"
    made = announce(visitor, len(data), claim)
    assert refusal(put_raw(visitor, made, data), 415) == "attachment_type"
    lost = visitor.post("threads.create", input=message("hi", attachments=[made["id"]]))
    assert refusal(lost, 404) == "attachment_not_found"


POLYGLOTS = [
    b"GIF89a/*" + bytes(20) + b"*/=1;alert(document.domain)",
    PNG + HTML,
    pictures.image("JPEG") + pictures.archive("a.txt"),
    PDF + pictures.archive("a.txt"),
    pictures.image("GIF") + SVG,
]


def test_many_comments_before_a_files_markup_do_not_hold_the_server_up(visitor: Visitor) -> None:
    comments = b"<!---->" * 5000
    for data, kind in ((comments + b"text", "text/plain"), (comments + SVG, "image/svg+xml")):
        assert direct(visitor, data).json()["mime_type"] == kind


def test_a_file_that_is_two_things_is_never_shown_as_the_second(visitor: Visitor) -> None:
    for polyglot in POLYGLOTS:
        check_polyglot(visitor, polyglot)


def check_polyglot(visitor: Visitor, polyglot: bytes) -> None:
    made = direct(visitor, polyglot).json()
    shown = visitor.http.get(f"/files/{made['id']}")
    assert shown.headers["content-type"] in (made["mime_type"], "application/octet-stream")
    assert shown.headers["content-type"].partition("/")[0] != "text"
    assert shown.headers["x-content-type-options"] == "nosniff"
    if "preview_url" in made:
        preview = stranger(made["preview_url"]).content
        assert preview.startswith(b"RIFF")
        assert b"alert" not in preview
        assert b"PK\3\4" not in preview


# -- previews ------------------------------------------------------------------------------------


def preview_of(made: JsonObject) -> Image.Image:
    return Image.open(io.BytesIO(stranger(made["preview_url"]).content))


def test_a_preview_is_small_upright_and_says_nothing_of_its_taker(visitor: Visitor) -> None:
    photograph = pictures.photograph()
    made = direct(visitor, photograph, "image/jpeg").json()
    preview = preview_of(made)
    assert (preview.format, preview.size) == ("WEBP", (256, 512))
    colours = preview.convert("RGB")
    assert colours.getpixel((128, 40))[0] > 200  # type: ignore[index]  # its left side is on top
    assert colours.getpixel((128, 470))[0] < 60  # type: ignore[index]
    assert len(preview.getexif()) == 0
    for said in (b"Camera", b"EXIF", b"ICCP", b"XMP "):
        assert said not in stranger(made["preview_url"]).content
    assert visitor.http.get(f"/files/{made['id']}").content == photograph


def test_a_moving_image_has_its_first_frame_as_preview(visitor: Visitor) -> None:
    for kind in ("GIF", "WEBP", "PNG"):
        preview = preview_of(direct(visitor, pictures.animation(kind)).json())
        assert getattr(preview, "n_frames", 1) == 1
        red, _, blue = preview.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert red > 200 > 60 > blue


def test_images_of_every_mode_have_previews(visitor: Visitor) -> None:
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16"):
        data = io.BytesIO()
        Image.new(mode, (700, 30)).save(data, "JPEG" if mode == "CMYK" else "PNG")
        preview = preview_of(direct(visitor, data.getvalue()).json())
        assert preview.size == (512, 22), mode
        assert (preview.mode == "RGBA") == ("A" in mode)


def test_a_picture_that_cannot_be_drawn_is_a_file(visitor: Visitor) -> None:
    for data in (PNG[:40], b"\x89PNG\r\n\x1a\n" + NOISE, b"GIF89a is text", pictures.bomb()):
        made = announce(visitor, len(data), "image/png")
        assert made["type"] == "image"
        assert put_raw(visitor, made, data).status_code == 200
        events = visitor.events("threads.create", input=message("look", attachments=[made["id"]]))
        (shown,) = events[1]["item"]["attachments"]
        assert shown["type"] == "file"
        assert "preview_url" not in shown
        assert visitor.http.get(f"/files/{made['id']}").content == data
        assert stranger(made["preview_url"]).status_code == 404


def test_a_picture_that_takes_too_long_to_draw_is_a_file(visitor: Visitor) -> None:
    made = direct(visitor, pictures.scan_bomb(), "image/jpeg")
    assert made.json()["type"] == "file"


# -- names ---------------------------------------------------------------------------------------


NAMES = [
    ("a.txt", "a.txt"),
    ("../../etc/passwd", "passwd"),
    ("C:\\Users\\Ada\\x.txt", "x.txt"),
    ("..", "file"),
    ("", "file"),
    ("/", "file"),
    (" . ", "file"),
    ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
    ("a\x00b\x1b[31m.txt", "ab[31m.txt"),
    ("photo\u202egpj.exe", "photogpj.exe"),
    ("U\u0308bersicht 📄.pdf", "Übersicht 📄.pdf"),
    ('a"; filename="b', 'a"; filename="b'),
    ("ä" * 500 + ".txt", "ä" * 125 + ".txt"),
    ("x" * 500, "x" * 255),
]


def test_a_name_is_the_last_part_of_what_was_sent_without_what_cannot_be_seen(
    visitor: Visitor,
) -> None:
    for given, name in NAMES:
        check_name(visitor, given, name)


def check_name(visitor: Visitor, given: str, name: str) -> None:
    made = announce(visitor, len(TEXT), name=given)
    assert made["name"] == name
    assert put_raw(visitor, made, TEXT).status_code == 200
    shown = visitor.http.get(f"/files/{made['id']}")
    assert "set-cookie" not in shown.headers
    assert shown.headers["content-disposition"].isascii()
