"""What takes several writes in MongoDB: servers that die between two of them, answers that are lost,
and two servers that do the same at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo import AsyncMongoClient

from parlour.errors import ItemNotFound, StoreUnavailable, ThreadNotFound, TurnNotFound
from parlour.protocol import JsonObject, now
from parlour.stores.base import Outcome, StoreOptions, Thread
from parlour.stores.contract_maintenance import attachment
from parlour.stores.contract_turns import ADA, filled, ids, message, turn
from parlour.stores.mongodb import MongodbStore
from parlour.stores.mongodb_connection import Collections
from parlour.stores.mongodb_removal import remove
from tests.services.mongodb import Mongodb
from tests.stores.cut_connection import Moment, Relay

Step = Callable[[MongodbStore], Awaitable[object]]

# The driver forgets a socket that connects at the moment its client is closed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

MOMENT = now()
MOMENTS: tuple[Moment, ...] = ("before", "after")


@pytest.fixture(autouse=True)
def forgotten_sockets() -> Iterator[None]:
    """Collected here, where nobody minds."""
    yield
    gc.collect()


@asynccontextmanager
async def opened(spec: str, timeout: float = 10) -> AsyncIterator[MongodbStore]:
    store = MongodbStore.from_spec(spec, StoreOptions(timeout=timeout))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def migrated(mongodb: Mongodb) -> str:
    spec = mongodb.new_database()
    await MongodbStore.from_spec(spec).migrate()
    return spec


async def everything(spec: str) -> dict[str, list[JsonObject]]:
    """Every document of ours but what differs from run to run: times, gaps in the numbers."""
    client: AsyncMongoClient[JsonObject] = AsyncMongoClient(spec)
    database = client.get_default_database()
    found: dict[str, list[JsonObject]] = {}
    for name in ("threads", "items", "attachments", "turns"):
        rows = [row async for row in database[f"parlour_{name}"].find()]
        for row in sorted(rows, key=lambda row: row.get("seq", 0)):
            for changing in ("updated_at", "created_at", "beat_at", "gone_at", "next_seq", "seq"):
                row.pop(changing, None)
            if name == "items":
                row.pop("_id")
            found.setdefault(name, []).append(row)
    await client.close()
    return found


# -- a server that dies --------------------------------------------------------------------------


async def dies(spec: str, number: int, moment: Moment, act: Step) -> bool:
    """Whether a server got through with something, that dies at this command of its."""
    # Nothing is tried again, and a slow machine is given its time.
    names = ("connect", "socket", "serverSelection", "waitQueue")
    patient = "&".join(f"{name}TimeoutMS=20000" for name in names)
    async with Relay(spec) as relay, opened(f"{relay.url}?{patient}", timeout=0) as store:
        relay.cut(number, moment, forever=True)
        try:
            await act(store)
        except StoreUnavailable:
            return False
        return True


async def at_every_command(
    mongodb: Mongodb,
    prepare: Step,
    act: Step,
    check: Callable[[MongodbStore, str, bool], Awaitable[None]],
    most: int = 16,
) -> None:
    async def one(number: int, moment: Moment) -> bool:
        spec = await migrated(mongodb)
        async with opened(spec) as other:
            await prepare(other)
            through = await dies(spec, number, moment, act)
            await check(other, spec, through)
        return through

    points = [(number, moment) for number in range(most) for moment in MOMENTS]
    got_through = await asyncio.gather(*(one(*point) for point in points))
    assert not got_through[0]
    assert got_through[-1], "there are more commands than were tried"


async def retried(store: MongodbStore) -> None:
    """A turn that has retired two items, one of whose ids is taken again."""
    await filled(store, "q", "a", "b")
    await store.begin_turn(turn())
    await store.retire_after(ADA, "thr_1", "q", "trn_1")
    await store.add_item(ADA, "thr_1", message("b", "new"))


async def end(store: MongodbStore) -> object:
    return await store.end_turn(ADA, "trn_1", "stopped", [message("c"), message("d")])


@pytest.mark.parametrize(
    ("outcome", "after"),
    [("finished", ["q", "b", "c", "d"]), ("failed", ["q", "a", "b", "c", "d"])],
)
async def test_a_server_that_dies_while_it_ends_a_turn_has_ended_it_or_not(
    mongodb: Mongodb, outcome: Outcome, after: list[str]
) -> None:
    async def end(store: MongodbStore) -> None:
        await store.end_turn(ADA, "trn_1", outcome, [message("c"), message("d")])

    async def check(store: MongodbStore, spec: str, through: bool) -> None:
        seen = await ids(store)
        if await store.running_turns():
            assert not through
            assert seen == ["q", "b"]
            left = [message("partial")]
            assert await store.end_turn(ADA, "trn_1", "interrupted", left) == "interrupted"
            assert await ids(store) == ["q", "a", "b", "partial"]
        else:
            assert seen == await ids(store) == after
            assert await store.end_turn(ADA, "trn_1", "interrupted") == outcome
        kept = await everything(spec)
        assert [(t["state"], "left" in t) for t in kept["turns"]] == [("closed", False)]
        assert [t["closing"] for t in kept["threads"]] == [[]]
        assert '"new"' in (await store.load_item(ADA, "thr_1", "b")).data

    await at_every_command(mongodb, retried, end, check)


async def test_the_next_message_comes_after_what_a_dead_server_had_begun_to_end(
    mongodb: Mongodb,
) -> None:
    async def end(store: MongodbStore) -> None:
        await store.end_turn(ADA, "trn_1", "finished", [message("c"), message("d")])

    async def check(store: MongodbStore, spec: str, through: bool) -> None:
        await store.add_item(ADA, "thr_1", message("next"))
        seen = await ids(store)
        assert seen == ["q", "b", "c", "d", "next"] or (not through and seen == ["q", "b", "next"])
        assert len(await store.running_turns()) == (seen == ["q", "b", "next"])

    await at_every_command(mongodb, retried, end, check)


async def test_a_retry_takes_away_what_a_dead_server_had_begun_to_end(mongodb: Mongodb) -> None:
    async def check(store: MongodbStore, spec: str, through: bool) -> None:
        await store.begin_turn(turn("trn_2"))
        await store.retire_after(ADA, "thr_1", "q", "trn_2")
        await store.end_turn(ADA, "trn_2", "finished", [message("again")])
        assert await ids(store) == ["q", "again"]

    await at_every_command(mongodb, retried, end, check)


async def test_a_server_that_dies_while_it_retires_items_has_lost_none(mongodb: Mongodb) -> None:
    async def prepare(store: MongodbStore) -> None:
        await filled(store, "q", "a", "b")
        await store.begin_turn(turn())

    async def retire(store: MongodbStore) -> None:
        await store.retire_after(ADA, "thr_1", "q", "trn_1")

    async def check(store: MongodbStore, spec: str, through: bool) -> None:
        seen = await ids(store)
        assert seen == ["q"] or (not through and seen == ["q", "a", "b"])
        await store.end_turn(ADA, "trn_1", "interrupted", [message("mark")])
        assert await ids(store) == ["q", "a", "b", "mark"]

    await at_every_command(mongodb, prepare, retire, check, most=8)


async def test_a_server_that_dies_while_it_deletes_a_thread_has_deleted_it_or_not(
    mongodb: Mongodb,
) -> None:
    async def prepare(store: MongodbStore) -> None:
        await retried(store)
        await store.save_attachment(ADA, attachment("atc_1", "thr_1"))

    async def delete(store: MongodbStore) -> None:
        assert await store.delete_thread(ADA, "thr_1") == ["atc_1"]

    async def check(store: MongodbStore, spec: str, through: bool) -> None:
        try:
            await store.load_thread(ADA, "thr_1")
        except ThreadNotFound:
            with pytest.raises(ThreadNotFound):
                await ids(store)
            with pytest.raises(ThreadNotFound):
                await store.add_item(ADA, "thr_1", message("x"))
            left = (await everything(spec)).get("attachments")
            swept = await store.sweep(now() + timedelta(seconds=1))
            assert swept == (["atc_1"] if left else [])
            assert await everything(spec) == {}
        else:
            assert not through
            assert await ids(store) == ["q", "b"]
            assert len(await store.running_turns()) == 1
            assert await store.delete_thread(ADA, "thr_1") == ["atc_1"]

    await at_every_command(mongodb, prepare, delete, check, most=10)


async def test_a_thread_that_was_half_deleted_may_be_made_again(mongodb: Mongodb) -> None:
    async def delete(store: MongodbStore) -> None:
        await store.delete_thread(ADA, "thr_1")

    async def check(store: MongodbStore, spec: str, through: bool) -> None:
        try:
            await store.load_thread(ADA, "thr_1")
        except ThreadNotFound:
            await store.add_thread(ADA, Thread("thr_1", now()))
            assert await ids(store) == []
            await store.add_item(ADA, "thr_1", message("a", "again"))
            await store.running_turns()
            await store.sweep(now() + timedelta(seconds=1))
            assert await ids(store) == ["a"]

    await at_every_command(mongodb, retried, delete, check, most=10)


async def test_what_is_removed_late_is_not_of_the_thread_that_was_made_again(
    mongodb: Mongodb,
) -> None:
    spec = await migrated(mongodb)
    client: AsyncMongoClient[JsonObject] = AsyncMongoClient(spec)
    mongo = Collections(client.get_default_database())
    async with opened(spec) as store:
        await filled(store, "a", "b")
        await store.delete_thread(ADA, "thr_1")
        (grave,) = [row async for row in mongo.threads.find()]
        await filled(store, "c")
        await remove(mongo, ADA, grave)
        assert await ids(store) == ["c"]
    await client.close()


# -- answers that are lost -----------------------------------------------------------------------


CHANGES: dict[str, Step] = {
    "add_thread": lambda store: store.add_thread(ADA, Thread("thr_2", now())),
    "update_thread": lambda store: store.update_thread(ADA, "thr_1", {"title": "t"}),
    "delete_thread": lambda store: store.delete_thread(ADA, "thr_1"),
    "add_item": lambda store: store.add_item(ADA, "thr_1", message("c")),
    "save_item": lambda store: store.save_item(ADA, "thr_1", message("c")),
    "save_item again": lambda store: store.save_item(ADA, "thr_1", message("b", "newer")),
    "delete_item": lambda store: store.delete_item(ADA, "thr_1", "b"),
    "save_feedback": lambda store: store.save_feedback(ADA, "thr_1", ["b"], "positive"),
    "save_attachment": lambda store: store.save_attachment(ADA, attachment("atc_2")),
    "replace_attachment": lambda store: store.replace_attachment(
        ADA, attachment("atc_1", "thr_1"), attachment("atc_1")
    ),
    "delete_attachment": lambda store: store.delete_attachment(ADA, "atc_1"),
    "begin_turn": lambda store: store.begin_turn(replace(turn("trn_2", key="k"), beat_at=MOMENT)),
    "journal": lambda store: store.journal(ADA, "trn_1", [message("c")]),
    "retire_after": lambda store: store.retire_after(ADA, "thr_1", "q", "trn_1"),
    "end_turn": end,
    "running_turns": lambda store: store.running_turns(),
    "sweep": lambda store: store.sweep(now()),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_lost_answer_is_not_noticed_and_nothing_is_done_twice(
    mongodb: Mongodb, name: str
) -> None:
    began = replace(turn(), beat_at=MOMENT)

    async def one(number: int | None, moment: Moment) -> tuple[object, object, int]:
        spec = await migrated(mongodb)
        async with opened(spec) as store:
            await filled(store, "q", "a", "b")
            await store.begin_turn(began)
            if name != "retire_after":
                await store.retire_after(ADA, "thr_1", "q", "trn_1")
                await store.add_item(ADA, "thr_1", message("b", "new"))
            await store.save_attachment(ADA, attachment("atc_1", "thr_1"))
            await store.save_attachment(ADA, attachment("atc_3"))
        async with Relay(spec) as relay, opened(relay.url) as store:
            if number is None:
                relay.mend()
            else:
                relay.cut(number, moment, forever=False)
            result = await CHANGES[name](store)
            sent = len(relay.commands)
        if isinstance(result, Thread):
            result = replace(result, created_at=MOMENT)
        return result, await everything(spec), sent

    result, state, sent = await one(None, "before")
    assert sent > 0
    lost = [one(number, moment) for number in range(sent) for moment in MOMENTS]
    for again, other, _ in await asyncio.gather(*lost):
        assert again == result
        assert other == state


# -- two at once ---------------------------------------------------------------------------------


async def test_two_servers_write_to_one_thread_and_each_ones_order_is_kept(
    mongodb: Mongodb,
) -> None:
    spec = await migrated(mongodb)
    async with opened(spec) as one, opened(spec) as other:
        await filled(one)

        async def write(store: MongodbStore, name: str) -> None:
            for n in range(30):
                await store.add_item(ADA, "thr_1", message(f"{name}{n}"))

        await asyncio.gather(write(one, "a"), write(other, "b"))
        kept = await ids(one)
        assert len(kept) == 60
        for name in "ab":
            assert [i for i in kept if i[0] == name] == [f"{name}{n}" for n in range(30)]


async def test_a_turn_that_many_servers_end_at_once_ends_once(mongodb: Mongodb) -> None:
    spec = await migrated(mongodb)
    async with opened(spec) as one, opened(spec) as two, opened(spec) as three:
        for attempt in range(12):
            thread, turn_id = Thread(f"thr_{attempt}", now()), f"trn_{attempt}"
            await one.add_thread(ADA, thread)
            for name in ("q", "a"):
                await one.add_item(ADA, thread.id, message(name))
            await one.begin_turn(replace(turn(turn_id), thread_id=thread.id))
            await one.retire_after(ADA, thread.id, "q", turn_id)
            ends = await asyncio.gather(
                one.end_turn(ADA, turn_id, "finished", [message("b"), message("c")]),
                two.running_turns(),
                three.end_turn(ADA, turn_id, "interrupted", [message("partial")]),
                two.list_items(ADA, thread.id, limit=9),
                two.end_turn(ADA, turn_id, "interrupted", [message("partial")]),
            )
            assert ends[0] == ends[2] == ends[4]
            left = ["q", "b", "c"] if ends[0] == "finished" else ["q", "a", "partial"]
            assert await ids(one, ADA, thread.id) == left


async def test_what_a_turn_retires_while_another_server_ends_it_is_settled(
    mongodb: Mongodb,
) -> None:
    spec = await migrated(mongodb)
    async with opened(spec) as one, opened(spec) as other:
        for attempt in range(16):
            thread, turn_id = Thread(f"thr_{attempt}", now()), f"trn_{attempt}"
            await one.add_thread(ADA, thread)
            for name in ("q", "a", "b"):
                await one.add_item(ADA, thread.id, message(name))
            await one.begin_turn(replace(turn(turn_id), thread_id=thread.id))

            async def late(turn_id: str = turn_id, pause: float = attempt / 2000) -> None:
                await asyncio.sleep(pause)
                await other.end_turn(ADA, turn_id, "interrupted")

            retiring = one.retire_after(ADA, thread.id, "q", turn_id)
            refused, _ = await asyncio.gather(retiring, late(), return_exceptions=True)
            assert refused is None or isinstance(refused, TurnNotFound | ItemNotFound)
            assert await ids(one, ADA, thread.id) == ["q", "a", "b"]


async def test_items_added_while_their_thread_is_deleted_leave_nothing_behind(
    mongodb: Mongodb,
) -> None:
    spec = await migrated(mongodb)
    async with opened(spec) as one, opened(spec) as other:
        for _ in range(10):
            await filled(one, "a")
            adding = [other.add_item(ADA, "thr_1", message(f"i{n}")) for n in range(6)]
            await asyncio.gather(one.delete_thread(ADA, "thr_1"), *adding, return_exceptions=True)
            await one.add_thread(ADA, Thread("thr_1", now()))
            assert await ids(one) == []
            await one.delete_thread(ADA, "thr_1")
        await one.sweep(now() + timedelta(seconds=1))
    assert await everything(spec) == {}


# -- a database that dies ------------------------------------------------------------------------


async def test_a_restart_of_the_database_goes_unnoticed(mongodb: Mongodb) -> None:
    if mongodb.given:
        pytest.skip("This server is not ours to end.")
    spec = await migrated(mongodb)
    async with opened(spec) as store:
        await filled(store)
        await store.begin_turn(turn())
        written = asyncio.Event()

        async def write() -> None:
            for n in range(60):
                await store.add_item(ADA, "thr_1", message(f"i{n}"))
                assert await store.journal(ADA, "trn_1", [message("pending", str(n))])
                if n == 10:
                    written.set()

        writing = asyncio.create_task(write())
        await written.wait()
        await asyncio.to_thread(mongodb.kill)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(mongodb.start)
        await writing
        assert await ids(store) == [f"i{n}" for n in range(60)]
        assert (await store.running_turns())[0].pending == [message("pending", "59")]
