"""What is removed from MongoDB for good: deleted threads, and what nobody needs any more.

A thread is gone with one write to its document, which loses its owner: it is ``removing`` then, and
whoever finds it so carries on. It stays behind as a grave until ``sweep`` has looked once more for
what a slow server wrote late.
"""

from __future__ import annotations

from typing import Final

from parlour.errors import ThreadBusy
from parlour.protocol import JsonObject, now
from parlour.stores.mongodb_connection import Collections
from parlour.stores.mongodb_documents import load_thread, own, to_micros
from parlour.stores.mongodb_turns import settle

_GRACE_MICROS: Final = 10_000_000
"""Whoever deletes a thread has this long before others take it for dead."""
_FORGOTTEN: Final = ("owner", "title", "status", "allowed_image_domains", "metadata", "closing")


class Removal:
    """The deletion of a thread; ``run`` may be called again when its connection was lost."""

    def __init__(self, owner: str, thread_id: str, idle_since: int | None) -> None:
        self._owner = owner
        self._id = thread_id
        self._here = own(owner, thread_id=thread_id)
        self._idle = {} if idle_since is None else {"updated_at": {"$lt": idle_since}}
        self._grave = {"gone_from": owner, "gone_at": to_micros(now())}
        self._files: dict[str, None] = {}

    async def run(self, mongo: Collections) -> list[str]:
        """See ``Store.delete_thread``."""
        running = self._here | {"state": "running"}
        if not self._idle or await mongo.turns.find_one(running, {"_id": 1}) is None:
            change = {
                "$unset": dict.fromkeys(_FORGOTTEN, ""),
                "$set": self._grave | {"gone": "removing"},
            }
            await mongo.threads.update_one(own(self._owner, _id=self._id) | self._idle, change)
        thread = await mongo.threads.find_one({"_id": self._id} | self._grave)
        if thread is None:
            await load_thread(mongo, self._owner, self._id)
            raise ThreadBusy(f"Thread {self._id} is in use.")
        async for row in mongo.attachments.find(self._here, {"_id": 1}):
            self._files[row["_id"]] = None
        await remove(mongo, self._owner, thread)
        await _bury(mongo, self._owner, self._id)
        return list(self._files)


async def remove(mongo: Collections, owner: str, thread: JsonObject) -> None:
    """Removes everything of a thread that is gone, but for what came after it."""
    here = own(owner, thread_id=thread["_id"])
    await mongo.turns.delete_many(here)
    # A number that was taken before the end, and written late, is below; a new thread's is not.
    await mongo.items.delete_many(here | {"seq": {"$lt": thread["next_seq"]}})
    # Last: whoever dies before has left records for others to find the bytes by.
    await mongo.attachments.delete_many(here)


async def finish_removals(mongo: Collections) -> None:
    """Carries on with the deletion of threads whose server died meanwhile."""
    before = to_micros(now()) - _GRACE_MICROS
    async for thread in mongo.threads.find({"gone": "removing", "gone_at": {"$lt": before}}):
        await _remove_late(mongo, thread)
        await _bury(mongo, thread["gone_from"], thread["_id"])


async def _bury(mongo: Collections, owner: str, thread_id: str) -> None:
    gone = {"_id": thread_id, "gone_from": owner, "gone": "removing"}
    await mongo.threads.update_one(gone, {"$set": {"gone": "removed"}})


async def _remove_late(mongo: Collections, thread: JsonObject) -> None:
    """Removes what is left of a thread when nobody can be told which attachments those were.

    They lose their owner and what is known of them, and ``sweep`` finds them.
    """
    owner = thread["gone_from"]
    lost = {"$unset": {"owner": "", "data": ""}, "$set": {"thread_id": None}}
    await mongo.attachments.update_many(own(owner, thread_id=thread["_id"]), lost)
    await remove(mongo, owner, thread)


async def sweep(mongo: Collections, before: int, files: dict[str, None]) -> None:
    """See ``Store.sweep``; ``files`` gets the attachments' ids."""
    over = {"state": "closed", "beat_at": {"$lt": before}}
    async for turn in mongo.turns.find(over | {"retires": True}):
        await settle(mongo, turn)
    await mongo.turns.delete_many(over)
    graves = {"gone": {"$in": ["removing", "removed"]}, "gone_at": {"$lt": before}}
    async for thread in mongo.threads.find(graves):
        await _remove_late(mongo, thread)
        await mongo.threads.delete_one(graves | {"_id": thread["_id"]})
    untaken = {"thread_id": None, "created_at": {"$lt": before}}
    async for row in mongo.attachments.find(untaken, {"_id": 1}):
        files[row["_id"]] = None
    for key in list(files):
        # Looked at again: a message may have taken it in the meantime, and an attempt before this
        # one, whose answer was lost, may have deleted it.
        await mongo.attachments.delete_one({"_id": key, "thread_id": None})
        if await mongo.attachments.find_one({"_id": key}, {"_id": 1}) is not None:
            del files[key]
