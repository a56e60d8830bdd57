"""The archive's file: lines of JSON, compressed, each with a checksum.

Gzip, because Python has it built in and every system can read it for years to come. The first line
says what is in the file; it is a gzip member of its own without compression, so that it can be
written last, in its place, and be read alone. Then come the threads, a line each (a long thread goes
on in the next line), and a last line with the checksum of all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final

import msgspec

from parlour.errors import ArchiveDamaged, ConfigurationError
from parlour.protocol import JsonObject, encode, now
from parlour.stores.base import Thread

try:
    import fcntl
except ImportError:  # Windows, where two runs at once are the operator's business
    fcntl = None  # type: ignore[assignment]

FORMAT: Final = 1
ENDING: Final = ".jsonl.gz"
UNFINISHED: Final = ".part"
_HEAD_BYTES: Final = 512
_CHECKED: Final = re.compile(rb'\{"crc":"([0-9a-f]{8})",')


class Head(msgspec.Struct, tag_field="line", tag="archive", frozen=True):
    """The first line: when the archive was made, since when its threads were idle, what is in it."""

    format: int
    made_at: datetime
    idle_since: datetime
    threads: int = 0
    items: int = 0
    attachments: int = 0

    def plus(self, part: Part) -> Head:
        """With one more line counted."""
        return msgspec.structs.replace(
            self,
            threads=self.threads + (part.thread is not None),
            items=self.items + len(part.items),
            attachments=self.attachments + len(part.attachments),
        )


class Entry(msgspec.Struct, omit_defaults=True):
    """An item as it lies in the store, with the thumb it was given."""

    item: msgspec.Raw
    feedback: str | None = None


class Part(msgspec.Struct, tag_field="line", tag="thread", omit_defaults=True):
    """A thread with its first items, or more of it: then ``thread`` is None."""

    owner: str
    id: str
    thread: Thread | None = None
    items: list[Entry] = []
    attachments: list[JsonObject] = []
    more: bool = False
    """The next line continues the same thread."""


class End(msgspec.Struct, tag_field="line", tag="end"):
    """The last line: how many there are with it, and the checksum of all between first and last."""

    lines: int
    sha256: str
    dropped: list[str] = []
    """Threads that were deleted or changed while they were being written: not to be restored."""


_decoder: Final[msgspec.json.Decoder[Head | Part | End]] = msgspec.json.Decoder(Head | Part | End)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes the folder, keeps other runs out of it, and clears away what a killed one has left."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(
                    f"Another run is writing to {folder}.", hint="Wait until it has ended."
                ) from None
        for left in folder.glob(f"*{ENDING}{UNFINISHED}"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


class Writer:
    """Writes an archive beside its place; only ``finish`` puts it there, whole and read back.

    The file is for its owner's eyes only (mode 600). ``OSError`` when the disk does not take it.
    """

    def __init__(self, folder: Path, idle_since: datetime) -> None:
        made = now()
        name = f"parlour-{made:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}{ENDING}"
        self.head = Head(FORMAT, made, idle_since)
        self._path = folder / name
        self._part = folder / f"{name}{UNFINISHED}"
        self.dropped: list[str] = []
        self._sum = hashlib.sha256()
        self._lines = 1
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb")
        self._file.write(_first_line(self.head))
        self._body = gzip.GzipFile("", "wb", 6, self._file, 0)

    def add(self, part: Part) -> None:
        """One line more."""
        self.head = self.head.plus(part)
        line = _line(encode(part))
        self._sum.update(line)
        self._lines += 1
        self._body.write(line)

    def finish(self) -> Path:
        """Ends the file, waits for the disk, reads all of it back, and only then names it."""
        end = End(self._lines + 1, self._sum.hexdigest(), self.dropped)
        self._body.write(_line(encode(end)))
        self._body.close()
        self._file.seek(0)
        self._file.write(_first_line(self.head))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if check(self._part) != (self.head, frozenset(self.dropped)):
            raise ArchiveDamaged(f"{self._part} is not what was written to it.")
        self._part.rename(self._path)
        _sync_folder(self._path.parent)
        return self._path

    def discard(self) -> None:
        """Leaves nothing behind, unless it was finished."""
        for closing in (self._body.close, self._file.close):
            with suppress(OSError):
                closing()
        self._part.unlink(missing_ok=True)


def _line(record: bytes) -> bytes:
    """With the checksum of its own rest."""
    rest = record[1:] + b"\n"
    return b'{"crc":"%08x",' % zlib.crc32(rest) + rest


def _first_line(head: Head) -> bytes:
    """As long as any other first line, so that the final one fits into the place of the first."""
    record = encode(head)[:-1].ljust(_HEAD_BYTES) + b"}"
    return gzip.compress(_line(record), 0, mtime=0)


def head_of(path: Path) -> Head:
    """The first line alone; ``ArchiveDamaged`` when it is not one."""
    with path.open("rb") as file:
        for _, _, record in _lines(path, file):
            return _head(path, record)
    raise ArchiveDamaged(f"{path} is empty.")


def check(path: Path) -> tuple[Head, frozenset[str]]:
    """Reads everything; the first line, and the threads that are not to be restored.

    ``ArchiveDamaged`` names the first line that is not as it was written.
    """
    dropped: list[str] = []
    for part in _records(path):
        if isinstance(part, End):
            dropped = part.dropped
    return head_of(path), frozenset(dropped)


def parts(path: Path) -> Iterator[Part]:
    """Every thread, in one or more parts."""
    return (record for record in _records(path) if isinstance(record, Part))


def _records(path: Path) -> Iterator[Part | End]:
    """Every line but the first; with the last it is certain that nothing was missing."""
    total = hashlib.sha256()
    head = found = end = None
    number = 0
    with path.open("rb") as file:
        for number, line, record in _lines(path, file):
            if head is None or found is None:
                head = _head(path, record)
                found = Head(head.format, head.made_at, head.idle_since)
            elif isinstance(record, Part) and end is None:
                total.update(line)
                found = found.plus(record)
                yield record
            elif isinstance(record, End) and end is None and found == head:
                if (record.lines, record.sha256) != (number, total.hexdigest()):
                    raise _damaged(path, number, "it does not fit to the lines before it")
                end = record
            else:
                raise _damaged(path, number, "it does not fit to the lines before it")
    if end is None:
        raise ArchiveDamaged(f"{path} ends after line {number}; the rest is missing.")
    yield end


def _lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes, Head | Part | End]]:
    number = 0
    with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        while True:
            number += 1
            try:
                line = unpacked.readline()
            except (OSError, EOFError, zlib.error) as error:
                raise _damaged(path, number, str(error)) from error
            if not line:
                return
            yield number, line, _parsed(path, number, line)


def _parsed(path: Path, number: int, line: bytes) -> Head | Part | End:
    crc = _CHECKED.match(line)
    if crc is None:
        raise _damaged(path, number, "it does not begin with a checksum")
    if int(crc[1], 16) != zlib.crc32(line[crc.end() :]):
        raise _damaged(path, number, "its checksum is another")
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise _damaged(path, number, str(error)) from error


def _head(path: Path, record: Head | Part | End) -> Head:
    if not isinstance(record, Head):
        raise _damaged(path, 1, "it does not say what is in the file")
    if record.format != FORMAT:
        raise ArchiveDamaged(
            f"{path} has the format {record.format}; this Parlour knows {FORMAT}.",
            hint="Use the version of Parlour that made it, or a later one.",
        )
    return record


def _damaged(path: Path, number: int, why: str) -> ArchiveDamaged:
    return ArchiveDamaged(f"Line {number} of {path} is damaged: {why}.")


def _sync_folder(folder: Path) -> None:
    """Makes a new name last; where folders cannot be opened, they need not be."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
