"""An archive's file: private, whole or not there, and refused when a bit of it has changed."""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from parlour.archive.file import Entry, Part, Writer, check, head_of, parts
from parlour.archive.moving import restore
from parlour.errors import ArchiveDamaged
from parlour.protocol import now
from parlour.stores.base import Thread
from parlour.stores.memory import MemoryStore
from tests.archive.content import ADA, MADE, ODD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive of three threads: lines 2, 3 and 4 of 5."""
    writer = Writer(tmp_path, now())
    for n in range(3):
        entry = Entry(msgspec.Raw(b'{"id":"a","type":"widget"}'), "positive")
        writer.add(Part(ADA, f"thr_{n}", Thread(f"thr_{n}", MADE, ODD), [entry]))
    return writer.finish()


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def rewritten(path: Path, changed: list[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"".join(changed)))
    return path


def signed(record: dict[str, object]) -> bytes:
    """A line with a right checksum."""
    rest = json.dumps(record)[1:].encode() + b"\n"
    return b'{"crc":"%08x",' % zlib.crc32(rest) + rest


def test_an_archive_is_json_lines_that_every_tool_can_read(path: Path) -> None:
    head, *threads, end = [json.loads(line) for line in lines(path)]
    assert (head["format"], head["threads"], head["items"]) == (1, 3, 3)
    assert [each["owner"] for each in threads] == [ADA] * 3
    assert threads[0]["thread"]["title"] == ODD
    assert threads[0]["items"] == [{"item": {"id": "a", "type": "widget"}, "feedback": "positive"}]
    assert end["lines"] == 5
    assert head_of(path).threads == 3


@pytest.mark.skipif(os.name != "posix", reason="Modes are POSIX.")
def test_an_archive_is_its_owners_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_unfinished_archive_is_never_there_by_its_name(tmp_path: Path) -> None:
    writer = Writer(tmp_path, now())
    writer.add(Part(ADA, "thr_1", Thread("thr_1", MADE)))
    assert [each.suffix for each in tmp_path.iterdir()] == [".part"]
    writer.discard()
    assert list(tmp_path.iterdir()) == []


async def test_a_changed_bit_anywhere_is_found_or_changes_nothing(path: Path) -> None:
    whole = path.read_bytes()
    threads = list(parts(path))
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with suppress(ArchiveDamaged):
            check(path)
            assert list(parts(path)) == threads, place
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ArchiveDamaged):
            check(path)


@pytest.mark.parametrize("number", [1, 2, 4, 5])
async def test_a_damaged_line_is_named_and_nothing_is_written(path: Path, number: int) -> None:
    found = lines(path)
    found[number - 1] = found[number - 1].replace(b'"line":"', b'"line":"x', 1)
    store = MemoryStore()
    with pytest.raises(ArchiveDamaged, match=f"Line {number} of"):
        await restore(store, rewritten(path, found))
    assert (await store.list_threads(ADA, limit=9)).data == []


def test_a_line_that_is_missing_doubled_or_moved_is_noticed(path: Path) -> None:
    head, one, two, three, end = lines(path)
    for changed in (
        [head, one, two, end],
        [head, one, two, two, end],
        [head, two, one, three, end],
        [head, one, two, three, head, end],
        [one, two, three, end],
        [head, one, two, three],
        [end],
        [],
    ):
        with pytest.raises(ArchiveDamaged):
            check(rewritten(path, changed))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "record",
    [
        {"line": "archive"},
        {"line": "nothing"},
        {"line": "archive", "format": "x"},
        {"line": "thread", "owner": 1, "id": None},
        {"owner": "x"},
    ],
)
def test_a_line_that_says_something_else_is_refused(
    path: Path, record: dict[str, object], place: int
) -> None:
    found = lines(path)
    found[place] = signed(record)
    with pytest.raises(ArchiveDamaged, match=f"Line {place + 1} "):
        check(rewritten(path, found))


def test_an_archive_of_a_newer_parlour_is_refused(path: Path) -> None:
    found = lines(path)
    head = json.loads(found[0])
    del head["crc"]
    found[0] = signed(head | {"format": 2})
    with pytest.raises(ArchiveDamaged) as refused:
        check(rewritten(path, found))
    assert "version of Parlour" in refused.value.hint


def test_another_file_is_no_archive(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for content in (b"", b"hello", gzip.compress(b"hello\n"), gzip.compress(b"{}\n")):
        other.write_bytes(content)
        for reading in (check, head_of):
            with pytest.raises(ArchiveDamaged):
                reading(other)
