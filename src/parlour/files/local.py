"""Attachment bytes in a folder of this machine."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, ParamSpec, TypeVar

from parlour.errors import AttachmentNotFound, ConfigurationError, Unavailable
from parlour.files.base import Files, path_of, preview_of

P = ParamSpec("P")
T = TypeVar("T")

_PIECE: Final = 64 * 1024


class LocalFiles(Files):
    """Keeps each attachment as a file named after its id, spread over 256 folders.

    A file appears under its name only when all its bytes are on disk, and when ``save`` returns its
    name is on disk too. A key that is not an attachment's never becomes a path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def from_spec(cls, spec: str) -> LocalFiles:
        folder = spec.removeprefix("local:")
        if not folder:
            raise ConfigurationError(
                "The folder for attachments is not named.",
                hint="Set PARLOUR_FILES=local:<folder>, or leave it unset.",
            )
        return cls(Path(folder))

    async def save(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        part = _Part(self._path(key))
        try:
            await _on_disk(part.open)
            async for chunk in chunks:
                await _on_disk(part.write, chunk)
            return await _on_disk(part.commit)
        finally:
            # Shielded, so that a second cancellation leaves nothing behind either.
            await asyncio.shield(_on_disk(part.discard))

    async def size(self, key: str) -> int | None:
        path = self._path(key)
        try:
            return (await _on_disk(path.stat)).st_size
        except AttachmentNotFound:
            return None

    async def load(self, key: str) -> AsyncIterator[bytes]:
        pieces = _Pieces(self._path(key))
        try:
            while piece := await _on_disk(pieces.read):
                yield piece
        finally:
            await asyncio.shield(_on_disk(pieces.close))

    async def delete(self, attachment_id: str) -> None:
        with suppress(AttachmentNotFound):
            for key in (attachment_id, preview_of(attachment_id)):
                await _on_disk(_remove, self._path(key))

    async def tidy(self, before: datetime) -> None:
        await _on_disk(_remove_parts, self._folder, before.timestamp())

    def _path(self, key: str) -> Path:
        return self._folder / path_of(key)


async def _on_disk(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs blocking work in a thread, where it ends by itself even if the caller is cancelled."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except FileNotFoundError:
        raise AttachmentNotFound("The bytes of this attachment are not here.") from None
    except OSError as problem:
        raise Unavailable(
            f"The folder for attachments cannot be used: {problem.strerror}.",
            hint="Check that the folder in PARLOUR_FILES can be written and has room.",
        ) from problem


def _remove(path: Path) -> None:
    # Together with what a process that was killed while saving has left.
    for file in [path, *path.parent.glob(f"{path.name}.*.part")]:
        file.unlink(missing_ok=True)


def _remove_parts(folder: Path, before: float) -> None:
    for part in folder.glob("*/*.part"):
        with suppress(FileNotFoundError):  # another server tidies too, or its save has ended
            if part.stat().st_mtime < before:
                part.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # has no such call; the file system sees to it
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Part:
    """A file on its way to its name.

    The lock is for work that a cancelled caller has left in its thread: ``discard`` waits for it,
    and what begins after ``discard`` finds a closed file.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._discarded = False

    def open(self) -> None:
        with self._lock:
            if not self._discarded:
                folder = self._target.parent
                new = [each for each in (folder, *folder.parents) if not each.exists()]
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for each in new:
                    _sync_folder(each.parent)
                self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> None:
        with self._lock:
            if self._file is not None:
                self._file.write(chunk)

    def commit(self) -> int:
        with self._lock:
            if self._file is None:
                return 0
            size = self._file.tell()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._path, self._target)
            _sync_folder(self._target.parent)
            return size

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            if self._file is not None:
                with suppress(OSError):  # closing writes what is buffered, and the disk may be full
                    self._file.close()
                self._file = None
                self._path.unlink(missing_ok=True)


class _Pieces:
    """A file read piece by piece, opened when the first is wanted; locked as ``_Part`` is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._closed = False

    def read(self) -> bytes:
        with self._lock:
            if self._closed:
                return b""
            if self._file is None:
                self._file = self._path.open("rb")
            return self._file.read(_PIECE)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
