"""Ends that take several writes, on a server without transactions.

Each begins with one write to one document, which is the moment it happens and says all that is left
to do: a turn is ``closing``, a thread is ``removing``. Whoever finds such a document carries it on.
Every step is the same twice as once, so two may carry on at once, and either may die.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from parlour.protocol import JsonObject, now
from parlour.stores.base import Outcome
from parlour.stores.mongodb_connection import Collections
from parlour.stores.mongodb_documents import LIVE, item_document, live, no_thread, own, to_micros

_TAKEN: Final = 11000
_GRACE_MICROS: Final = 10_000_000
"""Whoever deletes a thread has this long before others take it for dead."""


async def touch(
    mongo: Collections, owner: str, thread_id: str, count: int = 1, closing: str | None = None
) -> int | None:
    """Takes ``count`` sequence numbers of a thread, whose first is returned; None without a thread.

    Every write to a thread's items begins with it. ``closing`` tells readers of a turn's end.
    """
    change: JsonObject = {"$inc": {"next_seq": count}, "$set": {"updated_at": to_micros(now())}}
    if closing is not None:
        change["$addToSet"] = {"closing": closing}
    found = await mongo.threads.find_one_and_update(
        own(owner, _id=thread_id),
        change,
        {"next_seq": 1, "closing": 1},
        return_document=ReturnDocument.AFTER,
    )
    if found is None:
        return None
    if closing is None:
        await carry_on(mongo, owner, found)
    seq: int = found["next_seq"]
    return seq - count


async def touched(mongo: Collections, owner: str, thread_id: str) -> int:
    """The next sequence number of a thread; ``ThreadNotFound`` without one."""
    seq = await touch(mongo, owner, thread_id)
    if seq is None:
        raise no_thread(thread_id)
    return seq


# -- the end of a turn ---------------------------------------------------------------------------


async def close_turn(
    mongo: Collections, owner: str, turn_id: str, outcome: Outcome, items: Sequence[JsonObject]
) -> Outcome | None:
    """See ``Store.end_turn``."""
    found = await mongo.turns.find_one(own(owner, _id=turn_id))
    if found is not None and found["state"] == "running":
        thread_id = found["thread_id"]
        first = await touch(mongo, owner, thread_id, len(items), turn_id)
        left = [
            item_document(owner, thread_id, item, first + n)
            for n, item in enumerate(items)
            if first is not None
        ]
        ending = {"state": "closing", "outcome": outcome, "pending": "[]", "left": left}
        await mongo.turns.update_one(own(owner, _id=turn_id, state="running"), {"$set": ending})
        # As it is now: another server may have been first.
        found = await mongo.turns.find_one(own(owner, _id=turn_id))
    if found is None:
        return None
    await finish_turn(mongo, found)
    ended: Outcome = found["outcome"]
    return ended


async def finish_turn(mongo: Collections, turn: JsonObject) -> None:
    """Carries on with the end of a turn."""
    owner, thread_id, turn_id = turn["owner"], turn["thread_id"], turn["_id"]
    if turn["state"] == "closing":
        if turn.get("retires"):
            await settle(mongo, turn)
        if turn["left"]:
            await _insert_missing(mongo, turn["left"])
        over = {"$set": {"state": "closed"}, "$unset": {"left": ""}}
        await mongo.turns.update_one(own(owner, _id=turn_id, state="closing"), over)
    await mongo.threads.update_one(own(owner, _id=thread_id), {"$pull": {"closing": turn_id}})


async def carry_on(mongo: Collections, owner: str, thread: JsonObject) -> None:
    """Carries on with whatever ends on a thread, as its document says."""
    for turn_id in thread.get("closing") or ():
        turn = await mongo.turns.find_one(own(owner, _id=turn_id))
        # One that runs has said that it will end, and has not yet: or its server died in between.
        if turn is not None and turn["state"] != "running":
            await finish_turn(mongo, turn)


async def settle(mongo: Collections, turn: JsonObject) -> None:
    """Deletes what a turn retired, or puts back whatever of it nothing new has replaced."""
    owner, thread_id, turn_id = turn["owner"], turn["thread_id"], turn["_id"]
    retired = own(owner, thread_id=thread_id, retired_by=turn_id)
    if turn["outcome"] == "finished":
        await mongo.items.delete_many(retired)
        return
    while names := [each["id"] async for each in mongo.items.find(retired, {"id": 1})]:
        known = mongo.items.find(live(owner, thread_id) | {"id": {"$in": names}}, {"id": 1})
        if replaced := [each["id"] async for each in known]:
            await mongo.items.delete_many(retired | {"id": {"$in": replaced}})
        try:
            await mongo.items.update_many(retired, {"$set": {"retired_by": LIVE}})
        except DuplicateKeyError:
            continue  # something new took an id a moment ago


async def _insert_missing(mongo: Collections, documents: list[JsonObject]) -> None:
    # Copies, for the driver writes an _id into what it is given.
    copies = [dict(document) for document in documents]
    try:
        await mongo.items.insert_many(copies, ordered=False)
    except BulkWriteError as error:
        failures = (error.details or {}).get("writeErrors", [])
        if any(each["code"] != _TAKEN for each in failures) or not failures:
            raise


# -- the end of a thread -------------------------------------------------------------------------


async def remove(mongo: Collections, owner: str, thread: JsonObject) -> None:
    """Removes everything of a thread that is gone, but for what came after it."""
    here = own(owner, thread_id=thread["_id"])
    await mongo.attachments.delete_many(here)
    await mongo.turns.delete_many(here)
    # A number that was taken before the end, and written late, is below; a new thread's is not.
    await mongo.items.delete_many(here | {"seq": {"$lt": thread["next_seq"]}})


async def finish_removals(mongo: Collections) -> None:
    """Carries on with the deletion of threads whose server died meanwhile.

    Nobody was told which attachments they had: those lose their owner, and are left for ``sweep``
    to find.
    """
    since = to_micros(now()) - _GRACE_MICROS
    async for thread in mongo.threads.find({"gone": "removing", "gone_at": {"$lt": since}}):
        owner, thread_id = thread["gone_from"], thread["_id"]
        await mongo.attachments.update_many(
            own(owner, thread_id=thread_id),
            {"$unset": {"owner": "", "data": ""}, "$set": {"thread_id": None}},
        )
        await remove(mongo, owner, thread)
        await removed(mongo, owner, thread_id)


async def removed(mongo: Collections, owner: str, thread_id: str) -> None:
    """Says that a deletion is through; ``sweep`` looks once more for what was written late."""
    gone = {"_id": thread_id, "gone_from": owner, "gone": "removing"}
    await mongo.threads.update_one(gone, {"$set": {"gone": "removed"}})


async def forget_removed(mongo: Collections, before: int) -> None:
    """Removes what was written late to threads that were deleted before a time, and their graves."""
    graves = {"gone": "removed", "gone_at": {"$lt": before}}
    async for thread in mongo.threads.find(graves):
        await remove(mongo, thread["gone_from"], thread)
        await mongo.threads.delete_one(graves | {"_id": thread["_id"]})
