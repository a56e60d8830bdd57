"""The tests every place for attachment bytes must pass.

Subclass ``FilesContract`` in a test module and give it one fixture, ``open_files``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from datetime import timedelta

import pytest

from parlour.errors import AttachmentNotFound
from parlour.files.base import Files, preview_of
from parlour.protocol import new_id, now

OpenFiles = Callable[[], Files]

_STRANGE_IDS = (
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "../../etc/passwd",
    "atc_/../../../etc/passwd",
    "atc_" + "0" * 31,
    "atc_" + "0" * 33,
    "atc_" + "0" * 32 + "\n",
    "atc_" + "0" * 32 + "\x00",
    "atc_" + "0" * 30 + "/x",
    "atc_" + "0" * 28 + "%2f.",
    "atc_" + "\uff10" * 32,
    "ATC_" + "0" * 32,
    "thr_" + "0" * 32,
    "atc_" + "0" * 32 + ".preview.preview",
    "atc_" + "0" * 32 + ".part",
    "C:\\windows\\win.ini",
    "a" * 10_000,
)


async def chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The parts, as they would arrive from a client."""
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def content(files: Files, attachment_id: str) -> bytes:
    """Everything that was saved under the id."""
    return b"".join([piece async for piece in files.load(attachment_id)])


async def endless(started: asyncio.Event) -> AsyncIterator[bytes]:
    """An upload that never ends."""
    while True:
        yield b"x" * 3_000
        started.set()
        await asyncio.sleep(0.001)


async def broken() -> AsyncIterator[bytes]:
    """An upload whose client goes away."""
    yield b"x" * 10_000
    raise ConnectionResetError("the client has gone")


@pytest.mark.asyncio
class FilesContract:
    """What ``parlour.files.base`` promises."""

    @pytest.fixture
    def open_files(self) -> OpenFiles:
        raise NotImplementedError(
            "Give a fixture `open_files` that opens yours, at the same place each time."
        )

    @pytest.mark.parametrize("length", [0, 1, 64 * 1024, 64 * 1024 + 1, 1_000_000, 20_000_000])
    async def test_what_is_saved_comes_back_byte_for_byte(
        self, open_files: OpenFiles, length: int
    ) -> None:
        files, file = open_files(), new_id("attachment")
        data = random.Random(length).randbytes(length)
        parts = [data[at : at + 70_001] for at in range(0, length, 70_001)]
        assert await files.save(file, chunks(parts)) == length
        assert await files.size(file) == length
        assert await content(files, file) == data

    async def test_empty_chunks_change_nothing(self, open_files: OpenFiles) -> None:
        files, file = open_files(), new_id("attachment")
        assert await files.save(file, chunks([b"", b"one", b"", b"two", b""])) == 6
        assert await content(files, file) == b"onetwo"

    async def test_a_large_file_comes_in_pieces(self, open_files: OpenFiles) -> None:
        files, file = open_files(), new_id("attachment")
        await files.save(file, chunks([b"x" * 1_000_000]))
        pieces = [len(piece) async for piece in files.load(file)]
        assert min(pieces) > 0
        assert max(pieces) <= 256 * 1024

    async def test_what_was_saved_is_there_after_a_restart(self, open_files: OpenFiles) -> None:
        file = new_id("attachment")
        await open_files().save(file, chunks([b"kept"]))
        assert await open_files().size(file) == 4
        assert await content(open_files(), file) == b"kept"

    async def test_what_was_never_saved_is_not_found(self, open_files: OpenFiles) -> None:
        files, file = open_files(), new_id("attachment")
        assert await files.size(file) is None
        with pytest.raises(AttachmentNotFound):
            await content(files, file)

    async def test_deleted_bytes_are_gone_and_no_others(self, open_files: OpenFiles) -> None:
        files, gone, kept = open_files(), new_id("attachment"), new_id("attachment")
        for file in (gone, kept):
            await files.save(file, chunks([file.encode()]))
        await files.delete(gone)
        assert await files.size(gone) is None
        with pytest.raises(AttachmentNotFound):
            await content(files, gone)
        assert await content(files, kept) == kept.encode()

    async def test_deleting_what_is_not_there_is_harmless(self, open_files: OpenFiles) -> None:
        files, file = open_files(), new_id("attachment")
        await files.delete(file)
        await files.save(file, chunks([b"x"]))
        await files.delete(file)
        await files.delete(file)

    async def test_a_preview_is_kept_beside_the_bytes_and_goes_with_them(
        self, open_files: OpenFiles
    ) -> None:
        files, file, other = open_files(), new_id("attachment"), new_id("attachment")
        await files.save(file, chunks([b"original"]))
        assert await files.size(preview_of(file)) is None
        for each in (file, other):
            await files.save(preview_of(each), chunks([b"small"]))
        assert await content(files, file) == b"original"
        assert await content(files, preview_of(file)) == b"small"
        await files.delete(file)
        assert await files.size(file) is None
        assert await files.size(preview_of(file)) is None
        assert await content(files, preview_of(other)) == b"small"

    async def test_tidying_takes_nothing_that_was_saved(self, open_files: OpenFiles) -> None:
        files, file, started = open_files(), new_id("attachment"), asyncio.Event()
        await files.tidy(now())
        await files.save(file, chunks([b"kept"]))
        await files.save(preview_of(file), chunks([b"small"]))
        saving = asyncio.create_task(files.save(new_id("attachment"), endless(started)))
        await started.wait()
        await files.tidy(now() + timedelta(days=1))
        assert await content(files, file) == b"kept"
        assert await content(files, preview_of(file)) == b"small"
        saving.cancel()
        await asyncio.wait([saving])

    async def test_saving_again_replaces_all_the_bytes(self, open_files: OpenFiles) -> None:
        files, file = open_files(), new_id("attachment")
        await files.save(file, chunks([b"long and old"]))
        await files.save(file, chunks([b"new"]))
        assert await content(files, file) == b"new"

    async def test_bytes_are_not_there_before_all_of_them_are(self, open_files: OpenFiles) -> None:
        files, file, started = open_files(), new_id("attachment"), asyncio.Event()
        saving = asyncio.create_task(files.save(file, endless(started)))
        await started.wait()
        assert await files.size(file) is None
        with pytest.raises(AttachmentNotFound):
            await content(files, file)
        saving.cancel()
        await asyncio.wait([saving])

    @pytest.mark.parametrize("before", [None, b"what was there"])
    async def test_an_upload_that_breaks_off_changes_nothing(
        self, open_files: OpenFiles, before: bytes | None
    ) -> None:
        files, file = open_files(), new_id("attachment")
        if before is not None:
            await files.save(file, chunks([before]))
        with pytest.raises(ConnectionResetError):
            await files.save(file, broken())
        await self._holds(files, file, before)

    @pytest.mark.parametrize("before", [None, b"what was there"])
    async def test_a_cancelled_upload_changes_nothing(
        self, open_files: OpenFiles, before: bytes | None
    ) -> None:
        files, file, started = open_files(), new_id("attachment"), asyncio.Event()
        if before is not None:
            await files.save(file, chunks([before]))
        saving = asyncio.create_task(files.save(file, endless(started)))
        await started.wait()
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        await self._holds(files, file, before)

    async def test_two_uploads_under_one_id_leave_one_of_them_whole(
        self, open_files: OpenFiles
    ) -> None:
        files, file = open_files(), new_id("attachment")
        versions = [bytes([number]) * 50_000 for number in range(4)]
        await asyncio.gather(
            *(
                files.save(file, chunks(version[at : at + 1000] for at in range(0, 50_000, 1000)))
                for version in versions
            )
        )
        assert await content(files, file) in versions

    async def test_many_files_are_kept_apart(self, open_files: OpenFiles) -> None:
        files, ids = open_files(), [new_id("attachment") for _ in range(50)]
        await asyncio.gather(*(files.save(file, chunks([file.encode()])) for file in ids))
        for file in ids:
            assert await content(files, file) == file.encode()

    async def test_a_reader_may_leave_in_the_middle(self, open_files: OpenFiles) -> None:
        files, file = open_files(), new_id("attachment")
        await files.save(file, chunks([b"x" * 1_000_000]))
        async for _ in files.load(file):
            break
        reading = asyncio.create_task(content(files, file))
        await asyncio.sleep(0.001)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        assert len(await content(files, file)) == 1_000_000

    @pytest.mark.parametrize("strange", _STRANGE_IDS, ids=lambda text: ascii(text[:16]))
    async def test_an_id_that_is_not_an_attachments_is_refused(
        self, open_files: OpenFiles, strange: str
    ) -> None:
        files = open_files()
        with pytest.raises(AttachmentNotFound):
            await files.save(strange, chunks([b"x"]))
        with pytest.raises(AttachmentNotFound):
            await content(files, strange)
        with pytest.raises(AttachmentNotFound):
            await files.size(strange)
        await files.delete(strange)

    async def _holds(self, files: Files, file: str, expected: bytes | None) -> None:
        if expected is None:
            assert await files.size(file) is None
        else:
            assert await content(files, file) == expected
