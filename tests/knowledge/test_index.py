"""The index file: derived, incremental, replaced in one step, never trusted."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from parlour.errors import ConfigurationError, Unavailable
from parlour.knowledge import Knowledge

SHOP = Path(__file__).parent / "site"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHOP, tmp_path / "docs"))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "home" / "knowledge.db"


async def first(docs: Path, index: Path, query: str) -> str | None:
    knowledge = await Knowledge.from_folder(docs, index=index)
    hits = await knowledge.search(query)
    await knowledge.close()
    return hits[0].passage.text if hits else None


async def test_only_changed_files_are_read_again(docs: Path, index: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def opened() -> Knowledge:
        seen.clear()
        return await Knowledge.from_folder(
            docs, index=index, progress=lambda done, total: seen.append((done, total))
        )

    knowledge = await opened()
    assert knowledge.report.files == 15
    assert knowledge.report.passages > 50
    assert seen[0] == (0, 15)
    assert seen[-1] == (15, 15)
    await knowledge.close()

    before = index.stat().st_mtime_ns
    knowledge = await opened()
    assert seen == []
    assert index.stat().st_mtime_ns == before
    assert knowledge.report.passages > 50
    await knowledge.close()

    (docs / "help" / "new.md").write_text("# Kites\n\nKites fly.")
    (docs / "help" / "press.md").unlink()
    (docs / "help" / "account.md").write_text("# Account\n\nBadgers may sign in.")
    knowledge = await opened()
    assert seen[-1] == (2, 2)
    assert knowledge.report.files == 15
    assert (await knowledge.search("kites"))[0].passage.url == "/help/new#kites"
    assert (await knowledge.search("badgers"))[0].passage.url == "/help/account#account"
    left = await knowledge.search("journalists find pictures", limit=50)
    assert "/help/press" not in [hit.passage.page for hit in left]
    await knowledge.close()


async def test_a_damaged_index_is_made_again(docs: Path, index: Path) -> None:
    assert "45 days" in str(await first(docs, index, "return within days"))
    whole = index.read_bytes()
    for damaged in (
        b"",
        b"nonsense" * 1000,
        whole[: len(whole) // 2],
        whole[:4096] + b"\xff" * 40_000,
    ):
        index.write_bytes(damaged)
        assert "45 days" in str(await first(docs, index, "return within days"))


async def test_the_index_of_another_folder_or_version_is_not_used(
    docs: Path, index: Path, tmp_path: Path
) -> None:
    await first(docs, index, "x")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("# Other\n\nOnly otters.")
    assert await first(other, index, "shipping") is None
    assert "otters" in str(await first(other, index, "otters"))
    with sqlite3.connect(index) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'version'")
        connection.execute("DELETE FROM passages")
    connection.close()
    assert "otters" in str(await first(other, index, "otters"))


async def test_two_processes_may_start_at_once(docs: Path, index: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from parlour.knowledge import Knowledge\n"
        "async def main():\n"
        "    k = await Knowledge.from_folder(Path(sys.argv[1]), index=Path(sys.argv[2]))\n"
        "    print((await k.search('phone number'))[0].passage.url, k.report.files)\n"
        "    await k.close()\n"
        "asyncio.run(main())"
    )

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, str(docs), str(index)],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert (
        await asyncio.gather(*(asyncio.to_thread(run) for _ in range(3))) == ["/#contact-us 15"] * 3
    )
    assert [path.name for path in index.parent.iterdir()] == ["knowledge.db"]


async def test_a_running_server_keeps_its_answers_while_the_index_is_replaced(
    docs: Path, index: Path
) -> None:
    running = await Knowledge.from_folder(docs, index=index)
    (docs / "new.md").write_text("# Kites\n\nKites fly.")
    assert "Kites fly." in str(await first(docs, index, "kites"))
    assert (await running.search("phone number"))[0].passage.url == "/#contact-us"
    await running.close()


async def test_a_home_that_cannot_be_written_is_named(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await Knowledge.from_folder(docs, index=tmp_path / "file" / "knowledge.db")


async def test_an_empty_folder_gives_no_hits(tmp_path: Path, index: Path) -> None:
    (tmp_path / "none").mkdir()
    knowledge = await Knowledge.from_folder(tmp_path / "none", index=index)
    assert knowledge.report.files == 0
    assert await knowledge.search("anything", page="/") == []
    await knowledge.close()


async def test_an_index_lost_while_serving_is_told_with_the_way_out(
    docs: Path, index: Path
) -> None:
    knowledge = await Knowledge.from_folder(docs, index=index)
    with index.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * index.stat().st_size)
    with pytest.raises(Unavailable, match="index of pages"):
        await knowledge.search("warranty")
    await knowledge.close()
