"""The part of the store's contract that keeps it in order; ``StoreContract`` includes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from parlour.errors import AttachmentNotFound, ThreadBusy, ThreadNotFound
from parlour.protocol import JsonObject, now
from parlour.stores.base import Store, Thread
from parlour.stores.contract_turns import ADA, EVE, filled, ids, message, turn

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def attachment(attachment_id: str, thread_id: str | None = None) -> JsonObject:
    """An attachment's record."""
    return {
        "id": attachment_id,
        "type": "file",
        "name": "Übersicht 📄.pdf",
        "mime_type": "application/pdf",
        "thread_id": thread_id,
        "metadata": {"size": 3},
    }


@pytest.mark.asyncio
class MaintenanceContract:
    """What holds for what is old, in every store."""

    async def test_idle_threads_are_those_nobody_wrote_to(self, store: Store) -> None:
        for number, owner in enumerate((EVE, ADA, ADA, EVE)):
            await store.add_thread(owner, Thread(f"thr_{number}", NOON))
        before = now()
        assert await store.idle_threads(before, limit=9) == [
            (ADA, "thr_1"),
            (ADA, "thr_2"),
            (EVE, "thr_0"),
            (EVE, "thr_3"),
        ]
        first = await store.idle_threads(before, limit=2)
        assert await store.idle_threads(before, limit=9, after=first[-1]) == [
            (EVE, "thr_0"),
            (EVE, "thr_3"),
        ]
        await store.add_item(ADA, "thr_1", message("a"))
        await store.update_thread(EVE, "thr_0", {"title": "new"})
        assert await store.idle_threads(before, limit=9) == [(ADA, "thr_2"), (EVE, "thr_3")]

    async def test_a_thread_is_deleted_for_being_idle_only_while_it_is(self, store: Store) -> None:
        await filled(store, "a")
        early, late = NOON, now() + timedelta(hours=1)
        with pytest.raises(ThreadBusy):
            await store.delete_thread(ADA, "thr_1", idle_since=early)
        await store.begin_turn(turn())
        with pytest.raises(ThreadBusy):
            await store.delete_thread(ADA, "thr_1", idle_since=late)
        assert await ids(store) == ["a"]
        await store.end_turn(ADA, "trn_1", "finished")
        await store.delete_thread(ADA, "thr_1", idle_since=late)
        with pytest.raises(ThreadNotFound):
            await store.load_thread(ADA, "thr_1")

    async def test_a_record_is_replaced_only_while_it_is_what_it_was(self, store: Store) -> None:
        first = attachment("atc_1") | {"metadata": {"b": 1.5, "a": ["ä", None]}}
        second, third = first | {"name": "two"}, first | {"thread_id": "thr_1"}
        assert not await store.replace_attachment(ADA, first, second)
        await store.save_attachment(ADA, first)
        assert not await store.replace_attachment(EVE, first, second)
        assert not await store.replace_attachment(ADA, second, third)
        assert await store.replace_attachment(
            ADA, await store.load_attachment(ADA, "atc_1"), second
        )
        assert await store.load_attachment(ADA, "atc_1") == second
        swaps = [store.replace_attachment(ADA, second, third | {"name": n}) for n in "abcd"]
        assert sorted(await asyncio.gather(*swaps)) == [False, False, False, True]
        await store.delete_attachment(ADA, "atc_1")
        assert not await store.replace_attachment(ADA, second, first)
        with pytest.raises(AttachmentNotFound):
            await store.load_attachment(ADA, "atc_1")

    async def test_attachments_are_counted_until_a_message_takes_them(self, store: Store) -> None:
        for number, owner in enumerate((ADA, EVE, ADA, ADA)):
            await store.save_attachment(owner, attachment(f"atc_{number}"))
        await store.save_attachment(ADA, attachment("atc_9", "thr_1"))
        assert await store.count_untaken(ADA) == 3
        untaken = await store.load_attachment(ADA, "atc_0")
        assert await store.replace_attachment(ADA, untaken, untaken | {"thread_id": "thr_1"})
        assert (await store.count_untaken(ADA), await store.count_untaken(EVE)) == (2, 1)
        assert await store.count_untaken("nobody") == 0

    async def test_a_sweep_forgets_what_nobody_needs_any_more(self, store: Store) -> None:
        await filled(store)
        await store.save_attachment(ADA, attachment("atc_taken", "thr_1"))
        await store.save_attachment(ADA, attachment("atc_later"))
        await store.save_attachment(EVE, attachment("atc_left"))
        await store.begin_turn(turn("trn_1", key="k"))
        await store.begin_turn(turn("trn_2", key="l"))
        await store.end_turn(ADA, "trn_1", "finished")
        assert await store.sweep(NOON - timedelta(days=9999)) == []
        assert (await store.begin_turn(turn("trn_3", key="k"))).id == "trn_1"
        await store.save_attachment(ADA, attachment("atc_later", "thr_1"))
        assert await store.sweep(now() + timedelta(seconds=1)) == ["atc_left"]
        for kept in ("atc_taken", "atc_later"):
            await store.load_attachment(ADA, kept)
        with pytest.raises(AttachmentNotFound):
            await store.load_attachment(EVE, "atc_left")
        assert (await store.begin_turn(turn("trn_4", key="k"))).id == "trn_4"
        assert (await store.begin_turn(turn("trn_5", key="l"))).id == "trn_2"
