"""Turns in MongoDB, whose end takes several writes, on a server without transactions.

It happens in one write to one document: the turn is ``closing`` then, and says all that is left to
do. Whoever finds it so carries on. Every step is the same twice as once, so that several may carry
on at the same time, and any of them may die.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from parlour.errors import TurnNotFound
from parlour.protocol import JsonObject, now
from parlour.stores.base import Outcome, TurnRecord
from parlour.stores.mongodb_connection import Collections
from parlour.stores.mongodb_documents import (
    LIVE,
    item_document,
    live,
    live_among,
    no_item,
    no_thread,
    own,
    to_micros,
    to_turn,
    turn_document,
    turn_key,
)

_TAKEN: Final = 11000


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


async def seq_of(mongo: Collections, place: JsonObject) -> int:
    """The sequence number of the item that a filter finds; ``ItemNotFound`` without one."""
    found = await mongo.items.find_one(place, {"seq": 1})
    if found is None:
        raise no_item(place["thread_id"], place["id"])
    seq: int = found["seq"]
    return seq


# -- its life ------------------------------------------------------------------------------------


async def begin(mongo: Collections, turn: TurnRecord) -> TurnRecord:
    """See ``Store.begin_turn``."""
    row = turn_document(turn)
    try:
        await mongo.turns.insert_one(dict(row))
    except DuplicateKeyError:
        same = [{"_id": turn.id}, {"key": turn_key(turn.id, turn.key)}]
        found = await mongo.turns.find_one(own(turn.owner) | {"$or": same})
        if found is None:
            raise TurnNotFound(f"There is no turn {turn.id}.") from None
        return to_turn(found)
    return to_turn(row)


async def retire(
    mongo: Collections, owner: str, thread_id: str, item_id: str, turn_id: str
) -> None:
    """See ``Store.retire_after``."""
    mine = own(owner, _id=turn_id, thread_id=thread_id)
    running = mine | {"state": "running"}
    await touched(mongo, owner, thread_id)
    later = {"seq": {"$gt": await seq_of(mongo, live(owner, thread_id, id=item_id))}}
    # Said first, so that whoever ends the turn knows that there may be something to settle.
    said = await mongo.turns.update_one(running, {"$set": {"retires": True}})
    if said.matched_count:
        retired = {"$set": {"retired_by": turn_id}}
        await mongo.items.update_many(live(owner, thread_id) | later, retired)
    turn = await mongo.turns.find_one(mine)
    if turn is None or turn["state"] != "running":
        if turn is not None:
            # Ended by another server just now, which may not have seen all of it.
            await settle(mongo, turn)
        raise TurnNotFound(f"There is no running turn {turn_id} on thread {thread_id}.")


# -- its end ---------------------------------------------------------------------------------------


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
        known = mongo.items.find(live_among(owner, thread_id, names), {"id": 1})
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
