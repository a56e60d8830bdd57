"""The MongoDB store: threads, items, attachments and turns as documents.

It uses no transactions, so that a single server will do, and those that only speak the protocol.
What one document holds changes at once; ``mongodb_turns`` and ``mongodb_removal`` say what happens
with several.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from parlour.protocol import JsonObject, now, parse
from parlour.stores.base import (
    DEFAULTS,
    Order,
    Outcome,
    Page,
    Schema,
    Store,
    StoredItem,
    StoreOptions,
    Thread,
    TurnRecord,
    check_changes,
)
from parlour.stores.mongodb_connection import Collections, Connection
from parlour.stores.mongodb_documents import (
    ITEM,
    THREAD,
    item_document,
    item_fields,
    live,
    live_among,
    load_thread,
    no_attachment,
    no_item,
    no_thread,
    own,
    text,
    thread_document,
    thread_fields,
    to_item,
    to_micros,
    to_thread,
    to_turn,
    turn_key,
)
from parlour.stores.mongodb_removal import Removal, finish_removals, remove, sweep
from parlour.stores.mongodb_schema import move_to, require_current, schema_of
from parlour.stores.mongodb_turns import (
    begin,
    carry_on,
    close_turn,
    finish_turn,
    retire,
    seq_of,
    touched,
)


class MongodbStore(Store):
    """Every filter names the owner, but for those that keep the whole store in order."""

    def __init__(self, connection: Connection, *, read_only: bool = False) -> None:
        self._mongo = connection
        self._read_only = read_only

    @classmethod
    def from_spec(cls, spec: str, options: StoreOptions = DEFAULTS) -> MongodbStore:
        """``mongodb://host/name`` or ``mongodb+srv://host/name``; the name is parlour without one."""
        return cls(Connection(spec, options), read_only=options.read_only)

    async def open(self) -> None:
        """See ``Store``."""
        await self._mongo.open()
        try:
            await self._mongo.read(require_current)
        except BaseException:
            await self._mongo.close()
            raise

    async def close(self) -> None:
        """See ``Store``."""
        await self._mongo.close()

    async def check(self) -> None:
        """See ``Store``."""

        async def work(mongo: Collections) -> None:
            await require_current(mongo)
            if not self._read_only:
                checked = {"$set": {"checked_at": to_micros(now())}}
                await mongo.version.update_one({"_id": "schema"}, checked)

        await self._mongo.probe(work)

    async def schema(self) -> Schema:
        """See ``Store``."""
        return await self._mongo.once(schema_of)

    async def migrate(self, revision: str | None = None) -> None:
        """See ``Store``."""
        await self._mongo.once(lambda mongo: move_to(mongo, revision))

    # -- threads ---------------------------------------------------------------------------------

    async def add_thread(self, owner: str, thread: Thread) -> None:
        """See ``Store``."""
        row = thread_document(owner, thread)

        async def work(mongo: Collections) -> None:
            try:
                await mongo.threads.insert_one(dict(row))
                return
            except DuplicateKeyError:
                gone = {"_id": thread.id, "gone_from": owner}
                grave = await mongo.threads.find_one(gone)
            if grave is None:
                await load_thread(mongo, owner, thread.id)
                return
            await remove(mongo, owner, grave)
            again = row | {"next_seq": grave["next_seq"]}
            await mongo.threads.replace_one(gone, again)

        await self._mongo.write(work)

    async def load_thread(self, owner: str, thread_id: str) -> Thread:
        """See ``Store``."""
        return await self._mongo.read(lambda mongo: load_thread(mongo, owner, thread_id))

    async def update_thread(self, owner: str, thread_id: str, changes: JsonObject) -> Thread:
        """See ``Store``."""
        check_changes(changes)
        values = thread_fields(changes) | {"updated_at": to_micros(now())}

        async def work(mongo: Collections) -> Thread:
            found = await mongo.threads.find_one_and_update(
                own(owner, _id=thread_id),
                {"$set": values},
                THREAD,
                return_document=ReturnDocument.AFTER,
            )
            if found is None:
                raise no_thread(thread_id)
            return to_thread(found)

        return await self._mongo.write(work)

    async def list_threads(
        self, owner: str, *, limit: int, after: str | None = None, order: Order = "desc"
    ) -> Page[Thread]:
        """See ``Store``."""
        way, beyond = (-1, "lt") if order == "desc" else (1, "gt")

        async def work(mongo: Collections) -> list[Thread]:
            query = own(owner)
            if after is not None:
                moment = to_micros((await load_thread(mongo, owner, after)).created_at)
                rest = [{"created_at": {f"${beyond}": moment}}, {"_id": {f"${beyond}": after}}]
                # The first condition is what the index begins at.
                query |= {"created_at": {f"${beyond}e": moment}, "$or": rest}
            rows = mongo.threads.find(query, THREAD, limit=limit + 1)
            return [to_thread(row) async for row in rows.sort([("created_at", way), ("_id", way)])]

        return Page.cut(await self._mongo.read(work), limit)

    async def delete_thread(
        self, owner: str, thread_id: str, *, idle_since: datetime | None = None
    ) -> list[str]:
        """See ``Store``."""
        since = None if idle_since is None else to_micros(idle_since)
        return await self._mongo.write(Removal(owner, thread_id, since).run)

    async def idle_threads(
        self, before: datetime, *, limit: int, after: tuple[str, str] | None = None
    ) -> list[tuple[str, str]]:
        """See ``Store``."""
        owner, thread_id = after or ("", "")
        rest = [{"owner": {"$gt": owner}}, {"owner": owner, "_id": {"$gt": thread_id}}]
        query = {"updated_at": {"$lt": to_micros(before)}, "$or": rest}

        async def work(mongo: Collections) -> list[tuple[str, str]]:
            rows = mongo.threads.find(query, {"owner": 1}, limit=limit)
            return [
                (row["owner"], row["_id"]) async for row in rows.sort([("owner", 1), ("_id", 1)])
            ]

        return await self._mongo.read(work)

    # -- items -----------------------------------------------------------------------------------

    async def add_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """See ``Store``."""
        row = item_document(owner, thread_id, item, 0)

        async def work(mongo: Collections) -> None:
            row["seq"] = await touched(mongo, owner, thread_id)
            try:
                await mongo.items.insert_one(dict(row))
            except DuplicateKeyError:
                return

        await self._mongo.write(work)

    async def save_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """See ``Store``."""
        key, fields = live(owner, thread_id, id=item["id"]), item_fields(item)

        async def work(mongo: Collections) -> None:
            new = {"seq": await touched(mongo, owner, thread_id), "feedback": None}
            change = {"$set": fields, "$setOnInsert": new}
            await mongo.items.update_one(key, change, upsert=True)

        await self._mongo.write(work)

    async def load_item(self, owner: str, thread_id: str, item_id: str) -> StoredItem:
        """See ``Store``."""

        async def work(mongo: Collections) -> StoredItem:
            await self._enter(mongo, owner, thread_id)
            found = await mongo.items.find_one(live(owner, thread_id, id=item_id), ITEM)
            if found is None:
                raise no_item(thread_id, item_id)
            return to_item(found)

        return await self._mongo.read(work)

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
        """See ``Store``."""
        way, beyond = (-1, "$lt") if order == "desc" else (1, "$gt")
        shown = {} if hidden else {"hidden": False}

        async def work(mongo: Collections) -> list[StoredItem]:
            await self._enter(mongo, owner, thread_id)
            query = live(owner, thread_id) | shown
            if after is not None:
                place = live(owner, thread_id, id=after) | shown
                query["seq"] = {beyond: await seq_of(mongo, place)}
            rows = mongo.items.find(query, ITEM, limit=limit + 1).sort("seq", way)
            return [to_item(row) async for row in rows]

        return Page.cut(await self._mongo.read(work), limit)

    async def delete_item(self, owner: str, thread_id: str, item_id: str) -> None:
        """See ``Store``."""

        async def work(mongo: Collections) -> None:
            await touched(mongo, owner, thread_id)
            await mongo.items.delete_one(live(owner, thread_id, id=item_id))

        await self._mongo.write(work)

    # -- attachments and feedback ----------------------------------------------------------------

    async def save_attachment(self, owner: str, attachment: JsonObject) -> None:
        """See ``Store``."""
        mine = own(owner, _id=attachment["id"])
        kept = {"thread_id": attachment.get("thread_id"), "data": text(attachment)}
        change = {"$set": kept, "$setOnInsert": {"created_at": to_micros(now())}}

        async def work(mongo: Collections) -> None:
            try:
                await mongo.attachments.update_one(mine, change, upsert=True)
            except DuplicateKeyError:
                # Somebody else's, or made by another request of the owner's a moment ago.
                if (await mongo.attachments.update_one(mine, {"$set": kept})).matched_count == 0:
                    raise no_attachment(attachment["id"]) from None

        await self._mongo.write(work)

    async def replace_attachment(self, owner: str, old: JsonObject, new: JsonObject) -> bool:
        """See ``Store``."""
        mine, before, after = own(owner, _id=old["id"]), text(old), text(new)
        change = {"$set": {"thread_id": new.get("thread_id"), "data": after}}
        attempts: list[None] = []

        async def work(mongo: Collections) -> bool:
            attempts.append(None)
            swapped = await mongo.attachments.update_one(mine | {"data": before}, change)
            if swapped.matched_count or len(attempts) == 1:
                return swapped.matched_count == 1
            # The answer to the first attempt was lost: it may have been done.
            return await mongo.attachments.find_one(mine | {"data": after}) is not None

        return await self._mongo.write(work)

    async def load_attachment(self, owner: str, attachment_id: str) -> JsonObject:
        """See ``Store``."""

        async def work(mongo: Collections) -> JsonObject:
            found = await mongo.attachments.find_one(own(owner, _id=attachment_id), {"data": 1})
            if found is None:
                raise no_attachment(attachment_id)
            return parse(found["data"])

        return await self._mongo.read(work)

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """See ``Store``."""
        attempts: list[None] = []

        async def work(mongo: Collections) -> None:
            attempts.append(None)
            deleted = await mongo.attachments.delete_one(own(owner, _id=attachment_id))
            if deleted.deleted_count == 0 and len(attempts) == 1:
                raise no_attachment(attachment_id)

        await self._mongo.write(work)

    async def count_untaken(self, owner: str) -> int:
        """See ``Store``."""
        untaken = own(owner) | {"thread_id": None}
        return await self._mongo.read(lambda mongo: mongo.attachments.count_documents(untaken))

    async def save_feedback(
        self, owner: str, thread_id: str, item_ids: Sequence[str], kind: str
    ) -> None:
        """See ``Store``."""
        rated = live_among(owner, thread_id, item_ids)

        async def work(mongo: Collections) -> None:
            await touched(mongo, owner, thread_id)
            known = {row["id"] async for row in mongo.items.find(rated, {"id": 1})}
            for item_id in item_ids:
                if item_id not in known:
                    raise no_item(thread_id, item_id)
            await mongo.items.update_many(rated, {"$set": {"feedback": kind}})

        await self._mongo.write(work)

    # -- turns -----------------------------------------------------------------------------------

    async def begin_turn(self, turn: TurnRecord) -> TurnRecord:
        """See ``Store``."""
        return await self._mongo.write(lambda mongo: begin(mongo, turn))

    async def find_turn(self, owner: str, key: str) -> TurnRecord | None:
        """See ``Store``."""
        used = own(owner, key=turn_key("", key))
        found = await self._mongo.read(lambda mongo: mongo.turns.find_one(used))
        return None if found is None else to_turn(found)

    async def journal(self, owner: str, turn_id: str, pending: Sequence[JsonObject]) -> bool:
        """See ``Store``."""
        mine, change = own(owner, _id=turn_id, state="running"), {"pending": text(list(pending))}

        async def work(mongo: Collections) -> bool:
            return (await mongo.turns.update_one(mine, {"$set": change})).matched_count == 1

        return await self._mongo.write(work)

    async def retire_after(self, owner: str, thread_id: str, item_id: str, turn_id: str) -> None:
        """See ``Store``."""
        await self._mongo.write(lambda mongo: retire(mongo, owner, thread_id, item_id, turn_id))

    async def end_turn(
        self, owner: str, turn_id: str, outcome: Outcome, items: Sequence[JsonObject] = ()
    ) -> Outcome | None:
        """See ``Store``."""
        return await self._mongo.write(
            lambda mongo: close_turn(mongo, owner, turn_id, outcome, items)
        )

    async def beat(self, server: str) -> None:
        """See ``Store``."""

        async def work(mongo: Collections) -> None:
            alive = {"$set": {"beat_at": to_micros(now())}}
            await mongo.turns.update_many({"state": "running", "server": server}, alive)

        await self._mongo.write(work)

    async def running_turns(self) -> list[TurnRecord]:
        """See ``Store``; carries on with what a server that died had begun to end."""

        async def work(mongo: Collections) -> list[TurnRecord]:
            running = []
            async for row in mongo.turns.find({"state": {"$in": ["running", "closing"]}}):
                if row["state"] == "running":
                    running.append(to_turn(row))
                else:
                    await finish_turn(mongo, row)
            await finish_removals(mongo)
            return running

        return await self._mongo.write(work)

    # -- maintenance -----------------------------------------------------------------------------

    async def sweep(self, before: datetime) -> list[str]:
        """See ``Store``."""
        files: dict[str, None] = {}
        await self._mongo.write(lambda mongo: sweep(mongo, to_micros(before), files))
        return list(files)

    async def _enter(self, mongo: Collections, owner: str, thread_id: str) -> None:
        """Raises ``ThreadNotFound``; carries on with a turn whose end is half done."""
        found = await mongo.threads.find_one(own(owner, _id=thread_id), {"closing": 1})
        if found is None:
            raise no_thread(thread_id)
        if not self._read_only:
            await carry_on(mongo, owner, found)
