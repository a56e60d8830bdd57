"""The part of the store's contract that is about turns; ``StoreContract`` includes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from parlour.errors import ItemNotFound, ThreadNotFound, TurnNotFound
from parlour.protocol import JsonObject, encode, now
from parlour.stores.base import Outcome, Store, Thread, TurnRecord

ADA = "guest:ada"
EVE = "guest:eve"


def message(item_id: str, text: str = "hello") -> JsonObject:
    """An assistant message as it goes on the wire."""
    return {
        "id": item_id,
        "thread_id": "thr_1",
        "created_at": "2026-11-20T12:00:00.000000+00:00",
        "type": "assistant_message",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def turn(turn_id: str = "trn_1", owner: str = ADA, key: str | None = None) -> TurnRecord:
    """A turn that begins on thread ``thr_1``."""
    return TurnRecord(turn_id, owner, "thr_1", "server-1", now(), key)


async def ids(store: Store, owner: str = ADA, thread_id: str = "thr_1") -> list[str]:
    """Every item of a thread in order, hidden ones too."""
    page = await store.list_items(owner, thread_id, limit=1000, order="asc", hidden=True)
    return [item.id for item in page.data]


async def filled(store: Store, *item_ids: str) -> None:
    """Thread ``thr_1`` of Ada with messages of these ids."""
    await store.add_thread(ADA, Thread("thr_1", now()))
    for item_id in item_ids:
        await store.add_item(ADA, "thr_1", message(item_id))


@pytest.mark.asyncio
class TurnContract:
    """What holds for turns in every store."""

    async def test_a_running_turn_is_found_with_what_was_journalled(self, store: Store) -> None:
        began = turn(key="k")
        assert await store.begin_turn(began) == began
        assert await store.journal(ADA, "trn_1", [message("a", "Hel")])
        await store.journal(ADA, "trn_1", [message("a", "Hello 👋"), message("b")])
        found = await store.running_turns()
        assert found == [replace(began, pending=[message("a", "Hello 👋"), message("b")])]

    async def test_running_turns_are_those_of_every_owner(self, store: Store) -> None:
        await store.begin_turn(turn("trn_1"))
        await store.begin_turn(turn("trn_2", EVE))
        await store.begin_turn(turn("trn_3"))
        await store.end_turn(ADA, "trn_3", "stopped")
        found = {(record.id, record.owner) for record in await store.running_turns()}
        assert found == {("trn_1", ADA), ("trn_2", EVE)}

    async def test_a_beat_is_for_the_servers_own_running_turns(self, store: Store) -> None:
        long_ago = now().replace(year=2020)
        await store.begin_turn(replace(turn("trn_1"), beat_at=long_ago))
        await store.begin_turn(replace(turn("trn_2"), beat_at=long_ago, server="server-2"))
        before = now()
        await store.beat("server-1")
        beats = {record.id: record.beat_at for record in await store.running_turns()}
        assert before <= beats["trn_1"] <= now()
        assert beats["trn_2"] == long_ago

    async def test_the_same_key_gives_the_earlier_turn(self, store: Store) -> None:
        await filled(store)
        await store.begin_turn(turn("trn_1", key="k"))
        assert (await store.begin_turn(turn("trn_2", key="k"))).id == "trn_1"
        await store.end_turn(ADA, "trn_1", "failed")
        assert (await store.find_turn(ADA, "k")) == await store.begin_turn(turn("trn_2", key="k"))
        assert await store.find_turn(EVE, "k") is None
        assert await store.find_turn(ADA, "trn_1") is None
        again = await store.begin_turn(turn("trn_2", key="k"))
        assert (again.id, again.outcome) == ("trn_1", "failed")
        assert await store.running_turns() == []

    async def test_the_same_key_at_once_makes_one_turn(self, store: Store) -> None:
        began = await asyncio.gather(
            *(store.begin_turn(turn(f"trn_{n}", key="k")) for n in range(8))
        )
        assert len({record.id for record in began}) == 1
        assert len(await store.running_turns()) == 1

    async def test_turns_without_a_key_are_all_different(self, store: Store) -> None:
        assert (await store.begin_turn(turn("trn_1"))).id == "trn_1"
        assert (await store.begin_turn(turn("trn_2"))).id == "trn_2"

    async def test_another_owners_key_does_not_collide(self, store: Store) -> None:
        await store.begin_turn(turn("trn_1", ADA, key="k"))
        assert (await store.begin_turn(turn("trn_2", EVE, key="k"))).id == "trn_2"

    async def test_another_owners_turn_cannot_be_begun_journalled_or_ended(
        self, store: Store
    ) -> None:
        await filled(store, "a")
        await store.begin_turn(turn())
        with pytest.raises(TurnNotFound):
            await store.begin_turn(turn("trn_1", EVE))
        await store.journal(EVE, "trn_1", [message("x")])
        assert await store.end_turn(EVE, "trn_1", "finished", [message("x")]) is None
        (record,) = await store.running_turns()
        assert (record.owner, record.pending) == (ADA, [])
        assert await ids(store) == ["a"]

    async def test_a_turn_that_ended_takes_no_more(self, store: Store) -> None:
        await filled(store)
        await store.begin_turn(turn(key="k"))
        await store.end_turn(ADA, "trn_1", "finished", [message("a", "first")])
        await store.journal(ADA, "trn_1", [message("late")])
        await store.end_turn(ADA, "trn_1", "failed", [message("a", "second"), message("b")])
        assert await ids(store) == ["a"]
        assert '"first"' in (await store.load_item(ADA, "thr_1", "a")).data
        kept = await store.begin_turn(turn("trn_2", key="k"))
        assert (kept.outcome, kept.pending) == ("finished", [])

    async def test_ending_adds_items_as_adding_does(self, store: Store) -> None:
        await filled(store, "q", "a")
        await store.begin_turn(turn())
        items = [message("a", "other"), message("b"), message("c", "é\u0000👍")]
        await store.end_turn(ADA, "trn_1", "finished", items)
        assert await ids(store) == ["q", "a", "b", "c"]
        assert (await store.load_item(ADA, "thr_1", "a")).data == encode(message("a")).decode()
        assert (await store.load_item(ADA, "thr_1", "c")).data == encode(items[2]).decode()

    async def test_a_turn_may_begin_before_its_thread(self, store: Store) -> None:
        await store.begin_turn(turn())
        await filled(store, "q")
        await store.end_turn(ADA, "trn_1", "finished", [message("a")])
        assert await ids(store) == ["q", "a"]

    async def test_ending_without_a_thread_loses_only_the_items(self, store: Store) -> None:
        await store.begin_turn(turn())
        await store.end_turn(ADA, "trn_1", "finished", [message("a")])
        assert await store.running_turns() == []

    async def test_a_turn_on_somebody_elses_thread_adds_nothing_to_it(self, store: Store) -> None:
        await filled(store, "q")
        await store.begin_turn(turn("trn_1", EVE))
        with pytest.raises(ThreadNotFound):
            await store.retire_after(EVE, "thr_1", "q", "trn_1")
        await store.end_turn(EVE, "trn_1", "finished", [message("a")])
        assert await ids(store) == ["q"]

    async def test_a_deleted_thread_takes_its_turns_along(self, store: Store) -> None:
        await filled(store, "q")
        await store.begin_turn(turn("trn_1", key="k"))
        await store.begin_turn(turn("trn_2", EVE))
        await store.delete_thread(ADA, "thr_1")
        await store.end_turn(ADA, "trn_1", "finished", [message("a")])
        assert [record.id for record in await store.running_turns()] == ["trn_2"]
        assert (await store.begin_turn(turn("trn_3", key="k"))).id == "trn_3"

    async def test_retired_items_are_gone_from_every_read(self, store: Store) -> None:
        await filled(store, "q", "a", "b")
        await store.begin_turn(turn())
        await store.retire_after(ADA, "thr_1", "q", "trn_1")
        assert await ids(store) == ["q"]
        with pytest.raises(ItemNotFound):
            await store.load_item(ADA, "thr_1", "a")
        with pytest.raises(ItemNotFound):
            await store.list_items(ADA, "thr_1", limit=5, after="b")
        with pytest.raises(ItemNotFound):
            await store.save_feedback(ADA, "thr_1", ["a"], "positive")
        with pytest.raises(ItemNotFound):
            await store.retire_after(ADA, "thr_1", "a", "trn_1")
        await store.delete_item(ADA, "thr_1", "a")
        await store.end_turn(ADA, "trn_1", "stopped")
        assert await ids(store) == ["q", "a", "b"]

    async def test_finishing_deletes_what_was_retired(self, store: Store) -> None:
        await filled(store, "q", "old")
        await store.begin_turn(turn())
        await store.retire_after(ADA, "thr_1", "q", "trn_1")
        await store.end_turn(ADA, "trn_1", "finished", [message("new")])
        assert await ids(store) == ["q", "new"]

    @pytest.mark.parametrize("outcome", ["stopped", "failed", "interrupted"])
    async def test_any_other_end_puts_it_back_in_its_place(
        self, store: Store, outcome: Outcome
    ) -> None:
        await filled(store, "q", "old")
        await store.begin_turn(turn())
        await store.retire_after(ADA, "thr_1", "q", "trn_1")
        await store.end_turn(ADA, "trn_1", outcome, [message("partial")])
        assert await ids(store) == ["q", "old", "partial"]

    async def test_a_retired_items_id_may_be_used_again(self, store: Store) -> None:
        for attempt, outcome in enumerate(("finished", "failed")):
            thread_id, turn_id = f"thr_{attempt}", f"trn_{attempt}"
            await store.add_thread(ADA, Thread(thread_id, now()))
            for item_id in ("q", "same", "other"):
                await store.add_item(ADA, thread_id, message(item_id, "old"))
            await store.begin_turn(replace(turn(turn_id), thread_id=thread_id))
            await store.retire_after(ADA, thread_id, "q", turn_id)
            await store.add_item(ADA, thread_id, message("same", "new"))
            await store.end_turn(ADA, turn_id, "finished" if attempt == 0 else "failed")
            assert '"new"' in (await store.load_item(ADA, thread_id, "same")).data
            left = ["q", "same"] if outcome == "finished" else ["q", "other", "same"]
            assert await ids(store, ADA, thread_id) == left

    async def test_retiring_needs_a_turn_that_runs_on_the_thread(self, store: Store) -> None:
        await filled(store, "q", "a")
        await store.add_thread(ADA, Thread("thr_2", now()))
        await store.begin_turn(replace(turn("trn_1"), thread_id="thr_2"))
        await store.begin_turn(turn("trn_2"))
        await store.end_turn(ADA, "trn_2", "finished")
        await store.begin_turn(turn("trn_3", EVE))
        for turn_id in ("trn_1", "trn_2", "trn_3", "trn_unknown"):
            with pytest.raises(TurnNotFound):
                await store.retire_after(ADA, "thr_1", "q", turn_id)
        assert await ids(store) == ["q", "a"]

    async def test_a_cancelled_end_happens_wholly_or_not_at_all(self, store: Store) -> None:
        await filled(store)
        for attempt in range(12):
            turn_id, names = f"trn_{attempt}", [f"{attempt}_{n}" for n in range(3)]
            await store.begin_turn(turn(turn_id))
            items = [message(name) for name in names]
            ending = asyncio.create_task(store.end_turn(ADA, turn_id, "finished", items))
            # From "before it began" to "long since done", whatever the machine.
            await asyncio.sleep(0 if attempt < 3 else 0.0002 * 2 ** (attempt - 3))
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
            # Whatever was on its way is through when a later write is.
            await asyncio.wait_for(store.journal(ADA, turn_id, [message("x")]), 10)
            runs = turn_id in {record.id for record in await store.running_turns()}
            there = [name for name in await ids(store) if name in names]
            assert there == ([] if runs else names)
