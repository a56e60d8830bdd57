"""Connections to a database server: how many, how long they are waited for, and when they break."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from parlour.errors import StoreUnavailable, ThreadNotFound
from parlour.protocol import encode, now
from parlour.stores import STORES, server
from parlour.stores.base import StoreOptions, Thread
from parlour.stores.contract_maintenance import attachment
from parlour.stores.contract_turns import ADA, filled, ids, message, turn
from parlour.stores.sql import SqlStore
from tests.services.mariadb import Mariadb
from tests.services.pgbouncer import Pgbouncer
from tests.services.postgresql import Postgresql
from tests.stores.cut_commit import Relay

Opening = Callable[..., AbstractAsyncContextManager[SqlStore]]
SLEEP = {"postgresql": "SELECT pg_sleep({})", "mysql": "SELECT sleep({})"}
ME = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}
COUNT = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
}


@pytest.fixture(params=["postgresql", "mariadb"])
def service(request: pytest.FixtureRequest) -> Postgresql | Mariadb:
    found: Postgresql | Mariadb = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def own_service(service: Postgresql | Mariadb) -> Postgresql | Mariadb:
    if service.given:
        pytest.skip("A database server that runs already is not ours to end.")
    return service


@pytest.fixture
def spec(service: Postgresql | Mariadb) -> str:
    return service.new_database()


@asynccontextmanager
async def opened(spec: str, **options: float) -> AsyncIterator[SqlStore]:
    store = STORES.load(spec).from_spec(spec, replace(StoreOptions(), **options))  # type: ignore[arg-type]
    assert isinstance(store, SqlStore)
    await store.migrate()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def said(words: dict[str, str], *values: object) -> Callable[[Connection], int]:
    """Work that runs one statement in this database's words."""

    def work(connection: Connection) -> int:
        result = connection.execute(text(words[connection.dialect.name].format(*values)))
        return int(result.scalar() or 0) if result.returns_rows else 0

    return work


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits for a minute at most."""
    for _ in range(6000):
        if await holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not come true.")


# -- settings ------------------------------------------------------------------------------------


async def test_a_pool_keeps_its_size_and_grows_by_its_overflow(spec: str) -> None:
    async with opened(spec, pool_size=1) as observer:

        async def count() -> int:
            return await observer._database.read(said(COUNT))

        async def returned_to(number: int) -> bool:
            return await count() == number

        before = await count()
        async with opened(spec, pool_size=2, max_overflow=1) as store:
            slow = [asyncio.create_task(store._database.read(said(SLEEP, 0.3))) for _ in range(6)]
            await until(lambda: returned_to(before + 3))
            while not all(task.done() for task in slow):
                assert await count() <= before + 3
            await until(lambda: returned_to(before + 2))
        await until(lambda: returned_to(before))


async def test_a_pool_that_is_exhausted_says_so_after_the_timeout(spec: str) -> None:
    async with opened(spec, pool_size=1, max_overflow=0, timeout=0.2) as store:
        slow = asyncio.create_task(store._database.read(said(SLEEP, 1)))
        await asyncio.sleep(0.1)
        with pytest.raises(StoreUnavailable, match="were busy") as refused:
            await store.load_thread(ADA, "thr_1")
        assert "PARLOUR_DATABASE_POOL_SIZE" in refused.value.hint
        await slow
        with pytest.raises(ThreadNotFound):
            await store.load_thread(ADA, "thr_1")


async def test_a_connection_is_replaced_after_its_time(spec: str) -> None:
    async with opened(spec, pool_size=1, pool_recycle=3600) as store:
        assert await store._database.read(said(ME)) == await store._database.read(said(ME))
    async with opened(spec, pool_size=1, pool_recycle=0) as store:
        first = await store._database.read(said(ME))
        await asyncio.sleep(0.01)
        assert await store._database.read(said(ME)) != first


@pytest.mark.parametrize("tried", [True, False])
async def test_a_connection_that_was_cut_while_idle_is_not_noticed(
    spec: str, tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0)
    async with opened(spec) as killer, opened(spec, pool_size=1, pool_pre_ping=tried) as store:
        await filled(store)
        for name in "ab":
            victim = await store._database.read(said(ME))
            await killer._database.read(said(END, victim))
            await store.add_item(ADA, "thr_1", message(name))
        assert await ids(store) == ["a", "b"]


# -- what breaks ---------------------------------------------------------------------------------


async def test_a_restart_of_the_server_goes_unnoticed(
    spec: str, own_service: Postgresql | Mariadb
) -> None:
    async with opened(spec) as store:
        await filled(store)
        names: list[str] = []
        stopping = asyncio.Event()

        async def write(writer: str) -> None:
            while not stopping.is_set():
                name = f"{writer}{len(names)}"
                await store.add_item(ADA, "thr_1", message(name))
                names.append(name)
                await store.load_thread(ADA, "thr_1")

        writers = [asyncio.create_task(write(each)) for each in "abcd"]
        for end in (own_service.stop, own_service.kill):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(end)
            await asyncio.to_thread(own_service.start)
        count = len(names)

        async def goes_on() -> bool:
            return len(names) > count + 20 or any(each.done() for each in writers)

        await until(goes_on)
        stopping.set()
        await asyncio.gather(*writers)
        page = await store.list_items(ADA, "thr_1", limit=10**6, order="asc")
        assert sorted(item.id for item in page.data) == sorted(names)
        assert len(set(names)) == len(names)


async def test_a_server_that_is_gone_is_an_error_after_a_few_seconds(
    spec: str, own_service: Postgresql | Mariadb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.3)
    async with opened(spec) as store:
        await filled(store)
        await asyncio.to_thread(own_service.stop)
        try:
            for call in (store.add_item(ADA, "thr_1", message("a")), store.check()):
                with pytest.raises(StoreUnavailable) as refused:
                    await asyncio.wait_for(call, 10)
                assert "DATABASE_URL" in refused.value.hint
        finally:
            await asyncio.to_thread(own_service.start)
        await store.check()
        assert await ids(store) == []


async def test_an_end_whose_acknowledgement_was_lost_is_not_told_twice(spec: str) -> None:
    """COMMIT arrives, its answer does not: the work is run again, and answers as the first time."""
    async with Relay(spec) as relay, opened(relay.url) as store:
        await filled(store, "q", "a")
        first = attachment("atc_1", "thr_1")
        await store.save_attachment(ADA, first)
        await store.save_attachment(ADA, attachment("atc_2"))

        async def losing(expected: object, call: Callable[[], object]) -> None:
            before = relay.lost
            relay.lose_commit()
            assert await call() == expected  # type: ignore[misc]
            assert relay.lost == before + 1

        began = turn(key="k")
        thread = await store.load_thread(ADA, "thr_1")
        await losing(None, lambda: store.add_thread(ADA, Thread("thr_2", now())))
        await losing(began, lambda: store.begin_turn(began))
        await losing(True, lambda: store.journal(ADA, "trn_1", [message("x")]))
        await losing(None, lambda: store.retire_after(ADA, "thr_1", "q", "trn_1"))
        await losing(None, lambda: store.add_item(ADA, "thr_1", message("b")))
        await losing(None, lambda: store.save_item(ADA, "thr_1", message("c")))
        await losing("finished", lambda: store.end_turn(ADA, "trn_1", "finished", [message("d")]))
        assert await ids(store) == ["q", "b", "c", "d"]
        await losing(None, lambda: store.delete_item(ADA, "thr_1", "b"))
        await losing(None, lambda: store.save_feedback(ADA, "thr_1", ["c"], "positive"))
        await losing(
            replace(thread, title="t"), lambda: store.update_thread(ADA, "thr_1", {"title": "t"})
        )
        await losing(True, lambda: store.replace_attachment(ADA, first, first | {"name": "other"}))
        await losing(None, lambda: store.delete_attachment(ADA, "atc_2"))
        await losing(["atc_1"], lambda: store.delete_thread(ADA, "thr_1"))
        await store.save_attachment(ADA, attachment("atc_3"))
        await losing(["atc_3"], lambda: store.sweep(now()))
        with pytest.raises(ThreadNotFound):
            await store.delete_thread(ADA, "thr_1")


async def test_callers_that_are_cancelled_leave_no_broken_connection(spec: str) -> None:
    async with opened(spec, pool_size=2, max_overflow=0) as store:
        await filled(store)
        big = "x" * 100_000
        for attempt in range(60):
            calls = [
                asyncio.create_task(store.add_item(ADA, "thr_1", message(f"{attempt}", big))),
                asyncio.create_task(store.list_items(ADA, "thr_1", limit=5)),
                asyncio.create_task(store.load_thread(ADA, "thr_1")),
            ]
            await asyncio.sleep(random.uniform(0, 0.01))
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            stored = await store.list_items(ADA, "thr_1", limit=1)
            for item in stored.data:
                assert item.data == encode(message(item.id, big)).decode()
        await asyncio.gather(*(store.load_thread(ADA, "thr_1") for _ in range(10)))


async def test_a_store_that_is_closed_says_so(spec: str) -> None:
    async with opened(spec) as store:
        await filled(store)
    for call in (store.load_thread(ADA, "thr_1"), store.add_item(ADA, "thr_1", message("a"))):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call


# -- poolers -------------------------------------------------------------------------------------


async def test_a_pooler_that_shares_its_connections_is_found_and_used(
    pgbouncer: Pgbouncer,
) -> None:
    """By itself: with prepared statements, 19 of 20 connections would fail."""
    spec = await asyncio.to_thread(pgbouncer.new_database)
    async with opened(spec, pool_size=20) as store:
        await filled(store)

        async def use(number: int) -> None:
            thread_id = f"thr_of_{number}"
            await store.add_thread(ADA, Thread(thread_id, now()))
            for n in range(5):
                await store.add_item(ADA, thread_id, message(f"i{n}"))
                await store.begin_turn(replace(turn(f"trn_{number}_{n}"), thread_id=thread_id))
            assert await ids(store, ADA, thread_id) == [f"i{n}" for n in range(5)]

        await asyncio.gather(*(use(number) for number in range(20)))
        assert len(await store.running_turns()) == 100
