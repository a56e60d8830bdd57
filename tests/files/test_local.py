"""What only a local folder has: where files lie, what is left behind, and a disk that refuses."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from parlour.errors import AttachmentNotFound, ConfigurationError, Unavailable
from parlour.files.contract import broken, chunks, content, endless
from parlour.files.local import LocalFiles, _Part
from parlour.protocol import now

FILE = "atc_ab" + "0" * 30


def left(folder: Path) -> list[str]:
    """The files under a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_files_are_spread_over_folders_by_their_first_two_digits(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    await files.save(FILE, chunks([b"x"]))
    assert left(tmp_path) == [f"ab/{FILE}"]


async def test_nothing_is_made_before_something_is_saved(tmp_path: Path) -> None:
    files = LocalFiles.from_spec(str(tmp_path / "files"))
    assert await files.size(FILE) is None
    await files.delete(FILE)
    assert not (tmp_path / "files").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at what is open in /proc")
async def test_a_file_and_its_name_are_on_disk_when_save_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = [], os.fsync

    def watched(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    folder = tmp_path / "files"
    await LocalFiles(folder).save(FILE, chunks([b"x"]))
    assert synced[:2] == [str(folder), str(tmp_path)]  # which the new folders are in
    assert synced[2].startswith(f"{folder}/ab/{FILE}.")
    assert synced[3:] == [f"{folder}/ab"]
    await LocalFiles(folder).save(FILE, chunks([b"x"]))
    assert len(synced) == 6


async def test_old_halves_are_tidied_away_and_young_ones_left(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    await files.save(FILE, chunks([b"x"]))
    old, young = (tmp_path / "ab" / f"{FILE}.{digit * 16}.part" for digit in "01")
    for part in (old, young):
        part.write_bytes(b"half")
    hour_ago = now() - timedelta(hours=1)
    os.utime(old, (0, hour_ago.timestamp() - 1))
    os.utime(tmp_path / "ab" / FILE, (0, 0))
    await files.tidy(hour_ago)
    assert left(tmp_path) == [f"ab/{FILE}", f"ab/{young.name}"]


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes on Windows")
async def test_other_users_of_the_machine_cannot_reach_the_bytes(tmp_path: Path) -> None:
    await LocalFiles(tmp_path).save(FILE, chunks([b"private"]))
    assert (tmp_path / "ab").stat().st_mode & 0o077 == 0


async def test_an_upload_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        await LocalFiles(tmp_path).save(FILE, broken())
    assert left(tmp_path) == []


async def test_a_cancelled_upload_leaves_no_file_wherever_it_was(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    for turns in range(40):
        saving = asyncio.create_task(files.save(FILE, chunks([b"x" * 1000] * 3)))
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns % 4 == 3:
            await asyncio.sleep(turns / 40_000)
        saving.cancel()
        await asyncio.wait([saving])
        # Whether it was cancelled in time is chance; that it is all or none is not.
        assert left(tmp_path) in ([], [f"ab/{FILE}"])
        assert await files.size(FILE) in (None, 3000)
        await files.delete(FILE)


async def test_an_upload_cancelled_twice_leaves_no_file(tmp_path: Path) -> None:
    started = asyncio.Event()
    saving = asyncio.create_task(LocalFiles(tmp_path).save(FILE, endless(started)))
    await started.wait()
    saving.cancel()
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.wait([saving])
    for _ in range(500):
        if not left(tmp_path):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the half-saved file is still there")


def test_work_that_begins_after_its_upload_was_given_up_makes_no_file(tmp_path: Path) -> None:
    part = _Part(tmp_path / FILE)
    part.discard()
    part.open()
    part.write(b"late")
    part.commit()
    assert left(tmp_path) == []


async def test_deleting_leaves_the_half_saved_bytes_of_others(tmp_path: Path) -> None:
    files, other = LocalFiles(tmp_path), FILE[:-1] + "1"
    await files.save(FILE, chunks([b"x"]))
    part = tmp_path / "ab" / f"{other}.0123456789abcdef.part"
    part.write_bytes(b"half")
    await files.delete(FILE)
    assert left(tmp_path) == [f"ab/{part.name}"]


async def test_a_file_deleted_while_it_is_saved_is_not_found(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)

    async def deleted_meanwhile() -> AsyncIterator[bytes]:
        yield b"first"
        await files.delete(FILE)
        yield b"second"

    with pytest.raises(AttachmentNotFound):
        await files.save(FILE, deleted_meanwhile())
    assert left(tmp_path) == []


async def test_a_reader_keeps_the_file_it_began_with(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    await files.save(FILE, chunks([b"a" * 200_000]))
    reader = files.load(FILE)
    pieces = [await anext(reader)]
    await files.save(FILE, chunks([b"b" * 200_000]))
    pieces += [piece async for piece in reader]
    assert b"".join(pieces) == b"a" * 200_000
    assert await content(files, FILE) == b"b" * 200_000


async def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    files = LocalFiles(tmp_path / "taken")
    with pytest.raises(Unavailable) as refused:
        await files.save(FILE, chunks([b"x"]))
    assert "PARLOUR_FILES" in refused.value.hint
    assert str(tmp_path) not in str(refused.value.body())


_SERVER = """
import asyncio, sys
from pathlib import Path
from parlour.errors import Unavailable
from parlour.files.contract import endless
from parlour.files.local import LocalFiles

async def main():
    started = asyncio.Event()
    saving = asyncio.create_task(LocalFiles(Path(sys.argv[1])).save(sys.argv[2], endless(started)))
    await started.wait()
    print("saving", flush=True)
    try:
        await saving
    except Unavailable as refused:
        print(refused.message)

if sys.argv[3:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
asyncio.run(main())
"""


async def server(folder: Path, *limit: str) -> asyncio.subprocess.Process:
    """A process that saves without end, up to a limit in bytes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, str(folder), FILE, *limit, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"saving\n"
    return process


async def test_a_server_killed_while_saving_leaves_nothing_that_delete_does_not_take(
    tmp_path: Path,
) -> None:
    process = await server(tmp_path)
    process.kill()
    await process.communicate()
    files = LocalFiles(tmp_path)
    assert await files.size(FILE) is None
    assert [name.startswith(f"ab/{FILE}.") for name in left(tmp_path)] == [True]
    await files.delete(FILE)
    assert left(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of file sizes")
async def test_a_disk_that_takes_no_more_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    process = await server(tmp_path, "100000")
    said, _ = await process.communicate()
    assert b"cannot be used: File too large." in said
    assert process.returncode == 0
    assert left(tmp_path) == []


def test_a_spec_without_a_folder_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        LocalFiles.from_spec("")
