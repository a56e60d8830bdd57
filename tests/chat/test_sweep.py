"""What nobody needs any more is forgotten, bytes and all, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from parlour.chat.attachments import Attachments
from parlour.chat.sweep import Sweep
from parlour.errors import AttachmentNotFound
from parlour.files.base import preview_of
from parlour.files.contract import chunks
from parlour.files.local import LocalFiles
from parlour.protocol import JsonObject, now
from parlour.stores.base import Store
from parlour.stores.sqlite import SqliteStore

ADA = "ada"
TEXT = b"some text"


class Announced:
    """A file that has arrived."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def size(self) -> int:
        return len(self._data)

    async def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else self._at + size
        piece, self._at = self._data[self._at : end], min(end, self.size)
        return piece

    async def seek(self, offset: int) -> None:
        self._at = offset


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = SqliteStore.from_spec(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def attachments(store: Store, tmp_path: Path) -> Attachments:
    return Attachments(store, LocalFiles(tmp_path / "files"), secret="s" * 32)


async def upload(attachments: Attachments) -> JsonObject:
    return await attachments.upload(ADA, "a.txt", "text/plain", Announced(TEXT), "")


async def is_gone(attachments: Attachments, store: Store, made: JsonObject) -> bool:
    if await attachments.files.size(made["id"]) is not None:
        return False
    with pytest.raises(AttachmentNotFound):
        await store.load_attachment(ADA, made["id"])
    return True


async def test_a_sweep_takes_what_no_message_took_with_its_bytes(
    store: Store, attachments: Attachments
) -> None:
    left, taken = await upload(attachments), await upload(attachments)
    await attachments.files.save(preview_of(left["id"]), chunks([b"small"]))
    awaited = await attachments.create(ADA, {"name": "b", "size": 1, "mime_type": "text/plain"}, "")
    await store.save_attachment(ADA, taken | {"thread_id": "thr_1"})
    assert await Sweep(store, attachments, after=3600).once() == 0
    assert await Sweep(store, attachments, after=-1).once() == 2
    assert await is_gone(attachments, store, left)
    assert await attachments.files.size(preview_of(left["id"])) is None
    assert await is_gone(attachments, store, awaited)
    assert await attachments.files.size(taken["id"]) == len(TEXT)
    assert await Sweep(store, attachments, after=-1).once() == 0


async def test_two_servers_may_sweep_at_once(
    store: Store, attachments: Attachments, tmp_path: Path
) -> None:
    made = [await upload(attachments) for _ in range(20)]
    other = SqliteStore.from_spec(f"sqlite:///{tmp_path / 'chat.db'}")
    await other.open()
    theirs = Attachments(other, LocalFiles(tmp_path / "files"), secret="s" * 32)
    counts = await asyncio.gather(
        Sweep(store, attachments, after=-1).once(), Sweep(other, theirs, after=-1).once()
    )
    await other.close()
    assert sum(counts) == 20
    assert all([await is_gone(attachments, store, each) for each in made])


async def test_bytes_that_cannot_be_deleted_now_are_deleted_by_a_later_sweep(
    store: Store, attachments: Attachments, tmp_path: Path
) -> None:
    made, files = await upload(attachments), tmp_path / "files"
    files.rename(tmp_path / "away")
    files.write_text("a disk that fails")
    await attachments.delete(ADA, made["id"])
    files.unlink()
    (tmp_path / "away").rename(files)
    assert await attachments.files.size(made["id"]) == len(TEXT)
    await Sweep(store, attachments, after=3600).once()
    assert await is_gone(attachments, store, made)


async def test_a_sweep_takes_old_halves_of_files(
    store: Store, attachments: Attachments, tmp_path: Path
) -> None:
    made = await upload(attachments)
    folder = tmp_path / "files" / made["id"][4:6]
    half = folder / f"{made['id']}.0123456789abcdef.part"
    half.write_bytes(b"half")
    await Sweep(store, attachments, after=3600).once()
    assert half.exists()
    old = time.time() - timedelta(hours=2).total_seconds()
    os.utime(half, (old, old))
    await Sweep(store, attachments, after=3600).once()
    assert not half.exists()
    assert await attachments.files.size(made["id"]) == len(TEXT)


async def test_an_upload_that_is_swept_while_its_bytes_are_kept_leaves_none(
    store: Store, attachments: Attachments, tmp_path: Path
) -> None:
    class Slow(Announced):
        async def read(self, size: int = -1) -> bytes:
            if self._at == 0 and started.is_set():
                await Sweep(store, attachments, after=-1).once()
            started.set()
            return await super().read(size)

    started = asyncio.Event()
    with pytest.raises(AttachmentNotFound):
        await attachments.upload(ADA, "a", "text/plain", Slow(TEXT), "")
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    assert await store.sweep(now() + timedelta(seconds=1)) == []
