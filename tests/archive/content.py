"""Conversations of every kind, and everything that a store has of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from parlour.protocol import JsonObject, now
from parlour.stores.base import Store, Thread, TurnRecord

ADA, EVE = "guest:ada", "user:eve@example.org"
MADE = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
ODD = "Zeile\u2028 \x00\x1f\\ \"'  👩‍👩‍👧 العربية {}[] </script>\r\n\t\ud7ff\uffff %s"


def item(
    thread_id: str, item_id: str, text: str = ODD, kind: str = "assistant_message"
) -> JsonObject:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": item_id, "thread_id": thread_id, "type": kind, "content": content, "n": 1.50}


def record(attachment_id: str, thread_id: str) -> JsonObject:
    return {"id": attachment_id, "name": ODD, "mime_type": "a/b", "thread_id": thread_id}


async def fill(store: Store, count: int = 4) -> None:
    """``count`` threads of two owners with whatever a thread can have."""
    for n in range(count):
        owner, key = (ADA, EVE)[n % 2], f"thr_{n}"
        thread = Thread(key, MADE + timedelta(seconds=n), ODD if n % 3 else None)
        await store.add_thread(owner, thread)
        shown = record(f"atc_{n}", key)
        await store.save_attachment(owner, shown | {"metadata": {"size": 3}})
        asked = item(key, "q", kind="user_message") | {"attachments": [shown]}
        await store.add_item(owner, key, asked)
        await store.add_item(owner, key, item(key, "h", kind="hidden_context_item"))
        for answer in ("a", "b"):
            await store.add_item(owner, key, item(key, answer, f"{answer} {ODD}"))
        await store.save_item(owner, key, item(key, "a", "changed"))
        await store.save_feedback(owner, key, ["a"], "positive")
        await store.save_feedback(owner, key, ["b"], "negative")
    await store.add_thread(ADA, Thread("thr_empty", MADE))
    locked = {"status": {"type": "locked", "reason": ODD}, "allowed_image_domains": ["a.test"]}
    await store.update_thread(ADA, "thr_0", {**locked, "metadata": {"a": [ODD, None, 1e100]}})


async def fill_long(store: Store, key: str, items: int, text: str) -> None:
    """One thread with many items, written at once."""
    await store.add_thread(ADA, Thread(key, MADE))
    for start in range(0, items, 500):
        turn = TurnRecord(f"trn_{key}_{start}", ADA, key, "server", now())
        await store.begin_turn(turn)
        made = [item(key, f"i{n}", text) for n in range(start, min(start + 500, items))]
        await store.end_turn(ADA, turn.id, "finished", made)


async def everything(store: Store) -> JsonObject:
    """Whatever the store has of both owners, as it would be read."""
    found: JsonObject = {}
    for owner in (ADA, EVE):
        threads = (await store.list_threads(owner, limit=1000)).data
        for thread in threads:
            items = await store.list_items(owner, thread.id, limit=10_000, order="asc", hidden=True)
            found[thread.id] = (owner, thread, items.data)
            for stored in items.data:
                if stored.id == "q":
                    key = thread.id.replace("thr", "atc")
                    found[key] = await store.load_attachment(owner, key)
    return found


def soon() -> datetime:
    """A moment for which whatever has been written is old."""
    return now() + timedelta(seconds=5)
