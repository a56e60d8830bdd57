"""Conversations that were archived come back exactly, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tracemalloc
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from parlour.archive.file import alone_in, check, parts
from parlour.archive.moving import RESTORING, archive, count_idle, restore
from parlour.errors import AttachmentNotFound, ConfigurationError, ThreadNotFound
from parlour.files import FILES
from parlour.files.base import Files
from parlour.protocol import now
from parlour.stores import STORES
from parlour.stores.base import Order, Page, Store, StoredItem, Thread, TurnRecord
from parlour.stores.sqlite import SqliteStore
from tests.archive.content import ADA, EVE, MADE, everything, fill, fill_long, item, record, soon

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Files:
    spec = f"local:{tmp_path / 'files'}"
    return FILES.load(spec).from_spec(spec)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = SqliteStore.from_spec(f"sqlite:///{tmp_path}/chat.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def each_store(database: str) -> AsyncIterator[Store]:
    """One store of each kind, in turn."""
    store = STORES.load(database).from_spec(database)
    await store.open()
    yield store
    await store.close()


async def ids(store: Store, thread_id: str) -> list[str]:
    page = await store.list_items(ADA, thread_id, limit=100, order="asc", hidden=True)
    return [stored.id for stored in page.data]


# -- there and back ------------------------------------------------------------------------------


async def test_everything_of_a_thread_comes_back_exactly(
    each_store: Store, folder: Path, files: Files
) -> None:
    store = each_store
    await fill(store)
    await fill_long(store, "thr_long", 350, "x" * 9000)
    before = await everything(store)
    assert await count_idle(store, soon()) == 6
    done = await archive(store, files, folder, soon())
    assert (done.threads, done.busy, len(done.files)) == (6, 0, 1)
    assert await everything(store) == {}
    with pytest.raises(AttachmentNotFound):
        await store.load_attachment(ADA, "atc_0")
    restored = await restore(store, done.files[0])
    assert (restored.threads, restored.items, restored.attachments) == (6, 16 + 350, 4)
    assert await everything(store) == before
    again = await restore(store, done.files[0])
    assert (again.threads, again.there, again.items) == (0, 6, 0)
    assert await everything(store) == before
    # What came back counts as used now: the next run does not take it away again.
    assert await count_idle(store, now() - timedelta(minutes=1)) == 0


async def test_only_what_is_old_is_archived(store: Store, folder: Path, files: Files) -> None:
    await fill(store, 2)
    cut = now()
    await asyncio.sleep(0.01)
    await store.add_item(EVE, "thr_1", item("thr_1", "new"))
    done = await archive(store, files, folder, cut)
    assert {part.id for part in parts(done.files[0])} == {"thr_0", "thr_empty"}
    assert list(await everything(store)) == ["thr_1", "atc_1"]
    nothing = await archive(store, files, folder, cut)
    assert (nothing.threads, nothing.files) == (0, [])
    assert len(list(folder.iterdir())) == 1


async def test_a_long_thread_is_never_in_memory_as_a_whole(
    store: Store, folder: Path, files: Files
) -> None:
    await fill_long(store, "thr_long", 1000, "x" * 20_000)
    tracemalloc.start()
    done = await archive(store, files, folder, soon())
    await restore(store, done.files[0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(list(parts(done.files[0]))) > 10
    assert peak < 12_000_000, peak


async def test_bytes_that_no_message_shows_go_with_their_thread(
    store: Store, folder: Path, files: Files
) -> None:
    async def three() -> AsyncIterator[bytes]:
        yield b"abc"

    shown, left = "atc_" + "0" * 32, "atc_" + "1" * 32
    await store.add_thread(ADA, Thread("thr_1", MADE))
    for key in (shown, left):
        await files.save(key, three())
        await store.save_attachment(ADA, record(key, "thr_1"))
    asked = item("thr_1", "q", kind="user_message") | {"attachments": [record(shown, "thr_1")]}
    await store.add_item(ADA, "thr_1", asked)
    done = await archive(store, files, folder, soon())
    assert (await files.size(shown), await files.size(left)) == (3, None)
    await restore(store, done.files[0])
    assert (await store.load_attachment(ADA, shown))["id"] == shown


# -- threads that are used meanwhile --------------------------------------------------------------


async def test_a_thread_that_is_answered_stays(store: Store, folder: Path, files: Files) -> None:
    await fill(store, 2)
    await store.begin_turn(TurnRecord("trn_1", ADA, "thr_0", "server", now()))
    done = await archive(store, files, folder, soon())
    assert (done.threads, done.busy) == (2, 1)
    assert await ids(store, "thr_0") == ["q", "h", "a", "b"]
    # It goes on, is archived once more, and comes back whole from both files in either order.
    await store.end_turn(ADA, "trn_1", "finished", [item("thr_0", "c")])
    await store.save_feedback(ADA, "thr_0", ["c"], "positive")
    whole = (await everything(store))["thr_0"]
    later = await archive(store, files, folder, soon())
    for order in ([*done.files, *later.files], [*later.files, *done.files]):
        for path in order:
            await restore(store, path)
        assert (await everything(store))["thr_0"] == whole
        await store.delete_thread(ADA, "thr_0")


async def test_a_thread_that_has_become_another_is_left_as_it_is(
    store: Store, folder: Path, files: Files
) -> None:
    await fill(store, 3)
    done = await archive(store, files, folder, soon())
    await store.add_thread(ADA, Thread("thr_0", MADE, "mine"))
    for item_id in ("q", "other"):
        await store.add_item(ADA, "thr_0", item("thr_0", item_id))
    await store.add_thread(EVE, Thread("thr_2", MADE))
    restored = await restore(store, done.files[0])
    assert (restored.threads, restored.kept, restored.taken) == (2, 1, 1)
    assert await ids(store, "thr_0") == ["q", "other"]
    assert (await store.load_thread(ADA, "thr_0")).title == "mine"
    with pytest.raises(ThreadNotFound):
        await store.load_thread(ADA, "thr_2")


class Vanishing(SqliteStore):
    """The real store, whose owner deletes a long thread while it is being read."""

    async def list_items(
        self,
        owner: str,
        thread_id: str,
        *,
        limit: int,
        after: str | None = None,
        order: Order = "desc",
        hidden: bool = False,
    ) -> Page[StoredItem]:
        if thread_id == "thr_long" and after == "i499":
            await self.delete_thread(owner, thread_id)
        return await super().list_items(
            owner, thread_id, limit=limit, after=after, order=order, hidden=hidden
        )


async def test_a_thread_that_is_deleted_meanwhile_does_not_come_back(
    tmp_path: Path, store: Store, folder: Path, files: Files
) -> None:
    await fill(store, 1)
    await fill_long(store, "thr_long", 1000, "x" * 4000)
    vanishing = Vanishing.from_spec(f"sqlite:///{tmp_path}/chat.db")
    await vanishing.open()
    done = await archive(vanishing, files, folder, soon())
    await vanishing.close()
    assert done.threads == 2
    restored = await restore(store, done.files[0])
    assert restored.threads == 2
    with pytest.raises(ThreadNotFound):
        await store.load_thread(ADA, "thr_long")


# -- killed --------------------------------------------------------------------------------------


async def killed(spec: str, direction: str, path: Path, after: int) -> bool:
    """Runs a process until its step number ``after``; whether it ended before."""
    command = ("-m", "tests.archive.moving", spec, direction, str(path))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=PIPE)
    assert process.stdout is not None
    for _ in range(after):
        if not await process.stdout.readline():
            break
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.communicate()
    return process.returncode == 0


async def test_kill_9_loses_nothing_on_the_way_out(
    tmp_path: Path, database: str, folder: Path, files: Files
) -> None:
    store = STORES.load(database).from_spec(database)
    await store.open()
    await fill(store, 16)
    whole = await everything(store)
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)
    for _ in range(3 if database.startswith("sqlite") else 1):
        await killed(database, "out", folder, moments.randint(1, 12))
        there = await everything(store)
        finished = sorted(folder.glob("*.jsonl.gz"))
        safe = {part.id for path in finished for part in parts(path) if check(path)}
        missing = {key for key in whole if key.startswith("thr")} - safe - there.keys()
        assert not missing, f"seed {seed}"
        assert all(there[key] == whole[key] for key in there), f"seed {seed}"
    with alone_in(folder):
        await archive(store, files, folder, soon())
    assert await everything(store) == {}
    assert not list(folder.glob("*.part"))
    for path in sorted(folder.glob("*.jsonl.gz")):
        await restore(store, path)
    assert await everything(store) == whole, f"seed {seed}"
    await store.close()


async def test_kill_9_loses_nothing_on_the_way_back(
    database: str, folder: Path, files: Files
) -> None:
    store = STORES.load(database).from_spec(database)
    await store.open()
    await fill(store, 12)
    await fill_long(store, "thr_a_long", 150, "x")
    whole = await everything(store)
    done = await archive(store, files, folder, soon())
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)
    for _ in range(2 if database.startswith("sqlite") else 1):
        await killed(database, "in", done.files[0], moments.randint(1, 12))
        for key, found in (await everything(store)).items():
            if key.startswith("thr") and found != whole[key]:
                # What is not whole yet is locked, and is the beginning of the whole.
                assert found[1].status == RESTORING, f"seed {seed}"
                assert found[2] == whole[key][2][: len(found[2])] or "feedback" in str(found)
    await restore(store, done.files[0])
    assert await everything(store) == whole, f"seed {seed}"
    await store.close()


def test_two_runs_never_write_to_one_folder(folder: Path) -> None:
    left = folder / "parlour-20260101T000000Z-abcdef.jsonl.gz.part"
    left.write_bytes(b"left by a killed run")
    with alone_in(folder):
        assert not left.exists()
        with pytest.raises(ConfigurationError, match="Another run"), alone_in(folder):
            pass
    with alone_in(folder):
        pass
