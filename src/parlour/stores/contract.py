"""The tests every store must pass.

Subclass ``StoreContract`` in a test module and give it two fixtures: ``store``, an open and empty
store, and, if the store is durable, ``reopen``, a function without arguments that returns another
store (not yet opened) on the same data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from parlour.errors import (
    AttachmentNotFound,
    BadRequest,
    ItemNotFound,
    NotFound,
    ThreadNotFound,
)
from parlour.protocol import JsonObject, encode, now
from parlour.stores.base import Order, Store, Thread
from parlour.stores.contract_maintenance import NOON, MaintenanceContract, attachment
from parlour.stores.contract_turns import ADA, EVE, TurnContract, filled, ids, message, turn

ODD_TEXTS = (
    "",
    "👩‍👩‍👧‍👦 🇩🇪 e\u0301 ﷽ \u202eabc\u202c",
    "nul \u0000, bell \u0007, line \u2028, nonchar \uffff",
    "'; DROP TABLE parlour_items; -- \" \\ % ? :x {0}",
    "Zeile\r\nZeile\ttab ",
    "長" * 100_000,
)

LOOKALIKES = ("ada", "Ada", "ADA", "ada ", " ada", "àda", "a%a", "a_a", "ada\u200b", "😀", "😁")


def hidden(item_id: str) -> JsonObject:
    """An item that is for the model only."""
    return message(item_id) | {"type": "hidden_context_item", "content": "secret"}


async def walk_items(
    store: Store, limit: int, order: Order, hidden: bool = False
) -> list[list[str]]:
    """The ids of thread ``thr_1``, page by page as a client would read it."""
    pages: list[list[str]] = []
    after = None
    while True:
        page = await store.list_items(
            ADA, "thr_1", limit=limit, after=after, order=order, hidden=hidden
        )
        pages.append([item.id for item in page.data])
        assert page.has_more is (page.after is not None)
        if page.after is None:
            return pages
        assert page.after == pages[-1][-1]
        after = page.after


async def walk_threads(store: Store, owner: str, limit: int, order: Order) -> list[list[str]]:
    """The ids of an owner's threads, page by page."""
    pages: list[list[str]] = []
    after = None
    while True:
        page = await store.list_threads(owner, limit=limit, after=after, order=order)
        pages.append([thread.id for thread in page.data])
        assert page.has_more is (page.after is not None)
        if page.after is None:
            return pages
        after = page.after


def calls(store: Store, owner: str, thread_id: str, file_id: str) -> list[Awaitable[object]]:
    """Every way of naming a thread, an item or an attachment."""
    return [
        store.load_thread(owner, thread_id),
        store.update_thread(owner, thread_id, {"title": "mine"}),
        store.update_thread(owner, thread_id, {}),
        store.list_threads(owner, limit=5, after=thread_id),
        store.add_item(owner, thread_id, message("x")),
        store.save_item(owner, thread_id, message("a", "mine")),
        store.load_item(owner, thread_id, "a"),
        store.list_items(owner, thread_id, limit=5),
        store.list_items(owner, thread_id, limit=5, after="a", hidden=True),
        store.delete_item(owner, thread_id, "a"),
        store.save_feedback(owner, thread_id, ["a"], "positive"),
        store.save_feedback(owner, thread_id, [], "positive"),
        store.retire_after(owner, thread_id, "a", "trn_1"),
        store.load_attachment(owner, file_id),
        store.delete_attachment(owner, file_id),
        store.delete_thread(owner, thread_id, idle_since=NOON + timedelta(days=9999)),
        store.delete_thread(owner, thread_id),
    ]


async def refusals(calls: list[Awaitable[object]]) -> list[tuple[type[NotFound], str, str]]:
    """How each call was refused; a call that was not fails the test."""
    found = []
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, NotFound), outcome
        found.append((type(outcome), outcome.message, outcome.hint))
    return found


class StoreContract(TurnContract, MaintenanceContract):
    """What holds for every store."""

    @pytest.fixture
    def reopen(self) -> Callable[[], Store]:
        """Overridden for a durable store."""
        pytest.skip("This store does not outlive its process.")

    # -- whose it is -----------------------------------------------------------------------------

    async def test_what_is_somebody_elses_is_refused_like_what_is_missing(
        self, store: Store
    ) -> None:
        await filled(store, "a", "b")
        await store.save_attachment(ADA, attachment("atc_1"))
        foreign = await refusals(calls(store, EVE, "thr_1", "atc_1"))
        missing = await refusals(calls(store, EVE, "thr_0", "atc_0"))
        renamed = [
            (kind, text.replace("thr_0", "thr_1").replace("atc_0", "atc_1"), hint)
            for kind, text, hint in missing
        ]
        assert foreign == renamed

    async def test_a_refused_caller_has_changed_nothing(self, store: Store) -> None:
        await filled(store, "a", "b")
        await store.save_attachment(ADA, attachment("atc_1"))
        await refusals(calls(store, EVE, "thr_1", "atc_1"))
        assert (await store.load_thread(ADA, "thr_1")).title is None
        assert await ids(store) == ["a", "b"]
        assert (await store.load_item(ADA, "thr_1", "a")).data == encode(message("a")).decode()
        assert await store.load_attachment(ADA, "atc_1") == attachment("atc_1")

    async def test_another_owners_ids_cannot_be_taken_over(self, store: Store) -> None:
        await filled(store, "a")
        await store.save_attachment(ADA, attachment("atc_1"))
        with pytest.raises(ThreadNotFound):
            await store.add_thread(EVE, Thread("thr_1", NOON, title="mine"))
        with pytest.raises(AttachmentNotFound):
            await store.save_attachment(EVE, attachment("atc_1") | {"name": "mine"})
        assert (await store.load_thread(ADA, "thr_1")).title is None
        assert await store.load_attachment(ADA, "atc_1") == attachment("atc_1")
        assert (await store.list_threads(EVE, limit=5)).data == []

    async def test_owners_that_look_alike_are_kept_apart(self, store: Store) -> None:
        for n, owner in enumerate(LOOKALIKES):
            await store.add_thread(owner, Thread(f"thr_{n}", NOON))
        for n, owner in enumerate(LOOKALIKES):
            assert await walk_threads(store, owner, 5, "desc") == [[f"thr_{n}"]]

    async def test_ids_that_look_alike_are_different(self, store: Store) -> None:
        await filled(store, *LOOKALIKES)
        assert await ids(store) == list(LOOKALIKES)

    async def test_any_text_is_an_id_an_owner_and_a_title(self, store: Store) -> None:
        names = ["nul\0", "nul", "\0", "\ue000", "\ue000\0\ue002", "ü" * 255, "😀" * 255, " ", "%"]
        await filled(store, *names)
        assert await ids(store) == names
        for number, name in enumerate(names):
            assert (await store.load_item(ADA, "thr_1", name)).id == name
            thread = Thread(f"thr_of_{number}", NOON, title=name)
            await store.add_thread(name, thread)
            assert (await store.list_threads(name, limit=9)).data == [thread]

    async def test_a_long_id_is_kept_whole_or_refused(self, store: Store) -> None:
        await filled(store)
        kept = []
        for name in ("x" * 256, "x" * 257, "x" * 5000):
            with pytest.raises(ItemNotFound):
                await store.load_item(ADA, "thr_1", name)
            with suppress(BadRequest):
                await store.add_item(ADA, "thr_1", message(name))
                kept.append(name)
        assert await ids(store) == kept

    # -- threads ---------------------------------------------------------------------------------

    async def test_a_thread_comes_back_as_it_was(self, store: Store) -> None:
        full = Thread(
            "thr_1",
            NOON,
            "Ein Gespräch 💬",
            {"type": "locked", "reason": "wait"},
            ["example.org"],
            {"deep": {"list": [1, 2.5, None, "x"]}},
        )
        await store.add_thread(ADA, full)
        await store.add_thread(ADA, Thread("thr_2", NOON))
        assert await store.load_thread(ADA, "thr_1") == full
        assert await store.load_thread(ADA, "thr_2") == Thread("thr_2", NOON)
        assert (await store.load_thread(ADA, "thr_1")).created_at.tzinfo is not None

    async def test_adding_a_thread_again_changes_nothing(self, store: Store) -> None:
        await store.add_thread(ADA, Thread("thr_1", NOON, title="first"))
        await store.add_item(ADA, "thr_1", message("a"))
        await store.add_thread(ADA, Thread("thr_1", now(), title="second"))
        assert await store.load_thread(ADA, "thr_1") == Thread("thr_1", NOON, title="first")
        assert await ids(store) == ["a"]

    async def test_an_update_changes_the_named_fields_only(self, store: Store) -> None:
        await store.add_thread(ADA, Thread("thr_1", NOON, title="t", metadata={"a": 1}))
        closed = {"type": "closed", "reason": None}
        changed = await store.update_thread(ADA, "thr_1", {"status": closed})
        assert changed == Thread("thr_1", NOON, "t", closed, None, {"a": 1})
        await store.update_thread(ADA, "thr_1", {"title": None, "metadata": {"b": 2}})
        await store.update_thread(ADA, "thr_1", {"allowed_image_domains": []})
        expected = Thread("thr_1", NOON, None, closed, [], {"b": 2})
        assert await store.update_thread(ADA, "thr_1", {}) == expected
        assert await store.load_thread(ADA, "thr_1") == expected

    async def test_an_update_of_no_such_field_is_refused(self, store: Store) -> None:
        await store.add_thread(ADA, Thread("thr_1", NOON))
        for name in ("id", "owner", "created_at", "next_seq", "nonsense"):
            with pytest.raises(BadRequest):
                await store.update_thread(ADA, "thr_1", {name: "x"})
        assert await store.load_thread(ADA, "thr_1") == Thread("thr_1", NOON)

    async def test_two_updates_of_different_fields_both_survive(self, store: Store) -> None:
        await store.add_thread(ADA, Thread("thr_1", NOON))
        for n in range(5):
            await asyncio.gather(
                store.update_thread(ADA, "thr_1", {"title": f"t{n}"}),
                store.update_thread(ADA, "thr_1", {"metadata": {"n": n}}),
                store.update_thread(ADA, "thr_1", {"allowed_image_domains": [str(n)]}),
            )
            thread = await store.load_thread(ADA, "thr_1")
            kept = (thread.title, thread.metadata, thread.allowed_image_domains)
            assert kept == (f"t{n}", {"n": n}, [str(n)])

    async def test_threads_are_listed_by_creation(self, store: Store) -> None:
        for n in (2, 0, 3, 1):
            await store.add_thread(ADA, Thread(f"thr_{n}", NOON + timedelta(microseconds=n)))
        assert await walk_threads(store, ADA, 3, "asc") == [["thr_0", "thr_1", "thr_2"], ["thr_3"]]
        assert await walk_threads(store, ADA, 3, "desc") == [["thr_3", "thr_2", "thr_1"], ["thr_0"]]
        assert await walk_threads(store, EVE, 3, "desc") == [[]]

    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_threads_of_one_moment_are_listed_once_each(
        self, store: Store, order: Order
    ) -> None:
        names = {f"thr_{n}" for n in range(10)}
        for name in sorted(names):
            await store.add_thread(ADA, Thread(name, NOON))
            await store.add_thread(EVE, Thread(f"{name}_of_eve", NOON))
        pages = await walk_threads(store, ADA, 3, order)
        assert [len(page) for page in pages] == [3, 3, 3, 1]
        assert {name for page in pages for name in page} == names

    async def test_a_deleted_thread_is_gone_with_everything_of_it(self, store: Store) -> None:
        await filled(store, "a")
        await store.add_item(ADA, "thr_1", hidden("h"))
        await store.add_thread(ADA, Thread("thr_2", NOON))
        await store.add_item(ADA, "thr_2", message("a"))
        for name, thread_id in (("atc_1", "thr_1"), ("atc_2", "thr_1"), ("atc_3", "thr_2")):
            await store.save_attachment(ADA, attachment(name, thread_id))
        await store.save_attachment(ADA, attachment("atc_4"))
        await store.save_attachment(EVE, attachment("atc_5", "thr_1"))
        assert sorted(await store.delete_thread(ADA, "thr_1")) == ["atc_1", "atc_2"]
        await refusals(calls(store, ADA, "thr_1", "atc_1"))
        assert await ids(store, ADA, "thr_2") == ["a"]
        for owner, name in ((ADA, "atc_3"), (ADA, "atc_4"), (EVE, "atc_5")):
            assert (await store.load_attachment(owner, name))["id"] == name
        await store.add_thread(ADA, Thread("thr_1", NOON))
        assert await ids(store) == []

    # -- items -----------------------------------------------------------------------------------

    async def test_an_item_comes_back_byte_for_byte(self, store: Store) -> None:
        await filled(store)
        for n, text in enumerate(ODD_TEXTS):
            item = {"zeta": 1, "unknown": [1.0, -0.0, 2**60, None, True]} | message(f"i{n}", text)
            await store.add_item(ADA, "thr_1", item)
            stored = await store.load_item(ADA, "thr_1", f"i{n}")
            assert (stored.id, stored.type) == (f"i{n}", "assistant_message")
            assert stored.data == encode(item).decode()
            assert (await store.list_items(ADA, "thr_1", limit=1)).data == [stored]

    async def test_adding_an_item_again_changes_nothing(self, store: Store) -> None:
        await filled(store, "a", "b")
        await store.add_item(ADA, "thr_1", message("a", "other"))
        assert await ids(store) == ["a", "b"]
        assert (await store.load_item(ADA, "thr_1", "a")).data == encode(message("a")).decode()

    async def test_saving_an_item_replaces_it_where_it_stands(self, store: Store) -> None:
        await filled(store, "a", "b")
        task = message("a") | {"type": "task", "task": {"type": "custom"}}
        await store.save_item(ADA, "thr_1", task)
        await store.save_item(ADA, "thr_1", message("c"))
        assert await ids(store) == ["a", "b", "c"]
        stored = await store.load_item(ADA, "thr_1", "a")
        assert (stored.type, stored.data) == ("task", encode(task).decode())
        await store.save_item(ADA, "thr_1", hidden("b"))
        assert await walk_items(store, 5, "asc") == [["a", "c"]]

    async def test_one_item_id_in_two_threads_is_two_items(self, store: Store) -> None:
        for owner, thread_id in ((ADA, "thr_1"), (ADA, "thr_2"), (EVE, "thr_3")):
            await store.add_thread(owner, Thread(thread_id, NOON))
            await store.add_item(owner, thread_id, message("__fake_id__", thread_id))
        await store.delete_item(ADA, "thr_1", "__fake_id__")
        await store.save_item(ADA, "thr_2", message("__fake_id__", "changed"))
        assert await ids(store) == []
        assert "changed" in (await store.load_item(ADA, "thr_2", "__fake_id__")).data
        assert "thr_3" in (await store.load_item(EVE, "thr_3", "__fake_id__")).data

    async def test_a_deleted_item_is_gone_and_deleting_it_again_is_harmless(
        self, store: Store
    ) -> None:
        await filled(store, "a", "b", "c")
        await store.delete_item(ADA, "thr_1", "b")
        await store.delete_item(ADA, "thr_1", "b")
        assert await ids(store) == ["a", "c"]
        for after in ("b", "never"):
            with pytest.raises(ItemNotFound):
                await store.load_item(ADA, "thr_1", after)
            with pytest.raises(ItemNotFound):
                await store.list_items(ADA, "thr_1", limit=5, after=after)
        await store.add_item(ADA, "thr_1", message("b"))
        assert await ids(store) == ["a", "c", "b"]

    async def test_items_keep_the_order_they_were_added_in(self, store: Store) -> None:
        names = [f"i{n * 7 % 10}" for n in range(10)]
        await filled(store, *names)
        assert await walk_items(store, 4, "asc") == [names[:4], names[4:8], names[8:]]
        back = names[::-1]
        assert await walk_items(store, 5, "desc") == [back[:5], back[5:]]
        assert await walk_items(store, 10, "desc") == [back]
        assert await walk_items(store, 1, "asc") == [[name] for name in names]

    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_pages_are_full_and_cursors_visible_around_hidden_items(
        self, store: Store, order: Order
    ) -> None:
        await filled(store)
        for n in range(12):
            await store.add_item(ADA, "thr_1", message(f"v{n}"))
            await store.add_item(ADA, "thr_1", hidden(f"h{n}"))
            await store.add_item(ADA, "thr_1", hidden(f"s{n}") | {"type": "sdk_hidden_context"})
        pages = await walk_items(store, 5, order)
        assert [len(page) for page in pages] == [5, 5, 2]
        assert all(name.startswith("v") for page in pages for name in page)
        everything = await walk_items(store, 7, order, hidden=True)
        assert len({name for page in everything for name in page}) == 36
        with pytest.raises(ItemNotFound):
            await store.list_items(ADA, "thr_1", limit=5, after="h3", order=order)
        page = await store.list_items(ADA, "thr_1", limit=1, after="h3", order=order, hidden=True)
        assert page.data[0].id == ("s3" if order == "asc" else "v3")

    async def test_two_writers_at_once_keep_every_item_in_an_order(self, store: Store) -> None:
        await filled(store)

        async def write(name: str) -> None:
            for n in range(20):
                await store.add_item(ADA, "thr_1", message(f"{name}{n}"))

        await asyncio.gather(write("a"), write("b"))
        for order in ("asc", "desc"):
            pages = await walk_items(store, 7, order)
            read = [name for page in pages for name in page]
            assert len(read) == len(set(read)) == 40
        for writer in "ab":
            own = [name for name in await ids(store) if name.startswith(writer)]
            assert own == [f"{writer}{n}" for n in range(20)]

    async def test_a_cancelled_save_leaves_the_old_item_or_the_new(self, store: Store) -> None:
        await filled(store)
        for attempt in range(12):
            name, old, new = f"i{attempt}", "old" * 1000, "new" * 1000
            await store.add_item(ADA, "thr_1", message(name, old))
            saving = asyncio.create_task(store.save_item(ADA, "thr_1", message(name, new)))
            await asyncio.sleep(0 if attempt < 3 else 0.0002 * 2 ** (attempt - 3))
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
            await asyncio.wait_for(store.add_item(ADA, "thr_1", message(f"{name}_next")), 10)
            stored = (await store.load_item(ADA, "thr_1", name)).data
            assert stored in [encode(message(name, text)).decode() for text in (old, new)]
        assert len(await ids(store)) == 24

    # -- attachments and feedback ----------------------------------------------------------------

    async def test_an_attachment_is_saved_changed_and_deleted(self, store: Store) -> None:
        await filled(store)
        await store.save_attachment(ADA, attachment("atc_1"))
        await store.save_attachment(ADA, attachment("atc_1", "thr_1"))
        assert await store.load_attachment(ADA, "atc_1") == attachment("atc_1", "thr_1")
        await store.delete_attachment(ADA, "atc_1")
        with pytest.raises(AttachmentNotFound):
            await store.load_attachment(ADA, "atc_1")
        with pytest.raises(AttachmentNotFound):
            await store.delete_attachment(ADA, "atc_1")
        assert await store.delete_thread(ADA, "thr_1") == []

    async def test_feedback_is_taken_for_items_of_the_thread_only(self, store: Store) -> None:
        await filled(store, "a", "b")
        await store.add_thread(ADA, Thread("thr_2", NOON))
        await store.add_item(ADA, "thr_2", message("elsewhere"))
        await store.save_feedback(ADA, "thr_1", ["a", "b"], "positive")
        await store.save_feedback(ADA, "thr_1", ["b", "b"], "negative")
        for unknown in ("elsewhere", "never"):
            with pytest.raises(ItemNotFound):
                await store.save_feedback(ADA, "thr_1", ["a", unknown], "negative")
        assert (await store.load_item(ADA, "thr_1", "a")).feedback == "positive"
        page = await store.list_items(ADA, "thr_1", limit=5, order="asc")
        assert [item.feedback for item in page.data] == ["positive", "negative"]
        await store.save_item(ADA, "thr_1", message("a", "changed"))
        assert (await store.load_item(ADA, "thr_1", "a")).feedback == "positive"
        await store.delete_thread(ADA, "thr_1")

    # -- a life ----------------------------------------------------------------------------------

    async def test_nobody_shares_an_object_with_the_store(self, store: Store) -> None:
        meta: JsonObject = {"list": [1]}
        item, record = message("a"), attachment("atc_1")
        await store.add_thread(ADA, Thread("thr_1", NOON, metadata=meta))
        await store.add_item(ADA, "thr_1", item)
        await store.save_attachment(ADA, record)
        meta["list"].append(2)
        item["content"].clear()
        record["metadata"].clear()
        (await store.load_thread(ADA, "thr_1")).metadata["list"].append(3)
        (await store.load_attachment(ADA, "atc_1"))["metadata"].clear()
        assert (await store.load_thread(ADA, "thr_1")).metadata == {"list": [1]}
        assert (await store.load_item(ADA, "thr_1", "a")).data == encode(message("a")).decode()
        assert await store.load_attachment(ADA, "atc_1") == attachment("atc_1")

    async def test_an_open_store_is_well_and_closing_twice_is_harmless(self, store: Store) -> None:
        await store.check()
        await store.close()
        await store.close()

    async def test_reopening_keeps_everything(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        thread = Thread("thr_1", NOON, "t", {"type": "closed"}, ["a.org"], {"m": "👍"})
        await store.add_thread(ADA, thread)
        await store.add_item(ADA, "thr_1", message("b"))
        await store.add_item(ADA, "thr_1", hidden("a"))
        await store.save_attachment(ADA, attachment("atc_1", "thr_1"))
        began = await store.begin_turn(turn(key="k"))
        await store.journal(ADA, "trn_1", [message("c")])
        await store.close()
        again = reopen()
        await again.open()
        try:
            assert await again.load_thread(ADA, "thr_1") == thread
            assert await ids(again) == ["b", "a"]
            assert await again.load_attachment(ADA, "atc_1") == attachment("atc_1", "thr_1")
            (record,) = await again.running_turns()
            assert (record.id, record.pending) == (began.id, [message("c")])
            await again.end_turn(ADA, "trn_1", "interrupted", record.pending)
            assert await ids(again) == ["b", "a", "c"]
        finally:
            await again.close()
