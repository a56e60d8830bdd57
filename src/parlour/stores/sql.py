"""The SQL store: threads, items, attachments and turns in a relational database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import Insert

from parlour.errors import (
    AttachmentNotFound,
    ItemNotFound,
    ThreadBusy,
    ThreadNotFound,
    TurnNotFound,
)
from parlour.protocol import HIDDEN_TYPES, JsonObject, encode, now, parse
from parlour.stores import statements as sql
from parlour.stores.base import (
    Order,
    Outcome,
    Page,
    Schema,
    Store,
    StoredItem,
    Thread,
    TurnRecord,
    check_changes,
)
from parlour.stores.database import Database
from parlour.stores.revision import move_to, schema_of
from parlour.stores.schema import from_micros, to_micros


class SqlStore(Store):
    """One transaction a call, each statement bound to its owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """See ``Store``."""
        await self._database.open()

    async def close(self) -> None:
        """See ``Store``."""
        await self._database.close()

    async def check(self) -> None:
        """See ``Store``."""
        await self._database.check()

    async def schema(self) -> Schema:
        """See ``Store``."""
        return await self._database.migrate(schema_of)

    async def migrate(self, revision: str | None = None) -> None:
        """See ``Store``."""
        parts = self._database.partitions
        await self._database.migrate(lambda c: move_to(c, revision, parts))

    # -- threads ---------------------------------------------------------------------------------

    async def add_thread(self, owner: str, thread: Thread) -> None:
        """See ``Store``."""
        row = _thread_columns(
            {
                "title": thread.title,
                "status": thread.status,
                "allowed_image_domains": thread.allowed_image_domains,
                "metadata": thread.metadata,
            }
        )
        row |= {"id": thread.id, "owner": owner, "created_at": to_micros(thread.created_at)}
        row |= {"updated_at": to_micros(now()), "next_seq": 0}

        def work(connection: Connection) -> None:
            if not _insert(connection, sql.ADD_THREAD, row):
                _load_thread(connection, owner, thread.id)

        await self._database.write(work)

    async def load_thread(self, owner: str, thread_id: str) -> Thread:
        """See ``Store``."""
        return await self._database.read(lambda c: _load_thread(c, owner, thread_id))

    async def update_thread(self, owner: str, thread_id: str, changes: JsonObject) -> Thread:
        """See ``Store``."""
        check_changes(changes)
        values = _thread_columns(changes) | {"updated_at": to_micros(now())}

        def work(connection: Connection) -> Thread:
            bound = {"caller": owner, "thread": thread_id}
            connection.execute(sql.UPDATE_THREAD.values(values), bound)
            return _load_thread(connection, owner, thread_id)

        return await self._database.write(work)

    async def list_threads(
        self, owner: str, *, limit: int, after: str | None = None, order: Order = "desc"
    ) -> Page[Thread]:
        """See ``Store``."""

        def work(connection: Connection) -> list[Thread]:
            bound: JsonObject = {"caller": owner, "limit": limit + 1}
            if after is not None:
                cursor = _load_thread(connection, owner, after)
                bound |= {"after": after, "after_at": to_micros(cursor.created_at)}
            query = sql.THREADS_PAGE[order, after is not None]
            return [_thread(*row) for row in connection.execute(query, bound)]

        return Page.cut(await self._database.read(work), limit)

    async def delete_thread(
        self, owner: str, thread_id: str, *, idle_since: datetime | None = None
    ) -> list[str]:
        """See ``Store``."""
        bound = {"caller": owner, "thread": thread_id}

        def work(connection: Connection) -> list[str]:
            if idle_since is None:
                _touch(connection, owner, thread_id)
            elif connection.scalar(sql.LOCK_IDLE, bound | {"since": to_micros(idle_since)}) is None:
                _load_thread(connection, owner, thread_id)
                raise ThreadBusy(f"Thread {thread_id} is in use.")
            gone = list(connection.scalars(sql.ATTACHMENTS_OF_THREAD, bound))
            connection.execute(sql.DELETE_ATTACHMENTS, bound)
            connection.execute(sql.DELETE_TURNS, bound)
            connection.execute(sql.DELETE_ITEMS, bound)
            connection.execute(sql.DELETE_THREAD, bound)
            return gone

        return await self._database.write(work)

    async def idle_threads(
        self, before: datetime, *, limit: int, after: tuple[str, str] | None = None
    ) -> list[tuple[str, str]]:
        """See ``Store``."""
        owner, thread_id = after or ("", "")
        bound = {"since": to_micros(before), "limit": limit, "owner": owner, "thread": thread_id}

        def work(connection: Connection) -> list[tuple[str, str]]:
            return [(row.owner, row.id) for row in connection.execute(sql.IDLE_THREADS, bound)]

        return await self._database.read(work)

    # -- items -----------------------------------------------------------------------------------

    async def add_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """See ``Store``."""
        bound = _item_columns(owner, thread_id, item)

        def work(connection: Connection) -> None:
            _touch(connection, owner, thread_id)
            connection.execute(sql.ADD_ITEM, bound)

        await self._database.write(work)

    async def save_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """See ``Store``."""
        bound = _item_columns(owner, thread_id, item)

        def work(connection: Connection) -> None:
            _touch(connection, owner, thread_id)
            if connection.execute(sql.REPLACE_ITEM, bound).rowcount == 0:
                connection.execute(sql.ADD_ITEM, bound)

        await self._database.write(work)

    async def load_item(self, owner: str, thread_id: str, item_id: str) -> StoredItem:
        """See ``Store``."""
        bound = {"caller": owner, "thread": thread_id, "item": item_id}

        def work(connection: Connection) -> StoredItem:
            row = connection.execute(sql.LOAD_ITEM, bound).one_or_none()
            if row is None:
                _load_thread(connection, owner, thread_id)
                raise _no_item(thread_id, item_id)
            return StoredItem(*row)

        return await self._database.read(work)

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
        query = sql.ITEMS_PAGE[order, after is not None, hidden]

        def work(connection: Connection) -> list[StoredItem]:
            bound: JsonObject = {"caller": owner, "thread": thread_id, "limit": limit + 1}
            if after is not None:
                # Apart from the page, since MariaDB would read the thread up to it otherwise.
                seq = connection.scalar(sql.CURSOR[hidden], bound | {"after": after})
                if seq is None:
                    _load_thread(connection, owner, thread_id)
                    raise _no_item(thread_id, after)
                bound |= {"after_seq": seq}
            rows = [StoredItem(*row) for row in connection.execute(query, bound)]
            # An empty page is where a thread that is not there ends up as well.
            if not rows:
                _load_thread(connection, owner, thread_id)
            return rows

        return Page.cut(await self._database.read(work), limit)

    async def delete_item(self, owner: str, thread_id: str, item_id: str) -> None:
        """See ``Store``."""
        bound = {"caller": owner, "thread": thread_id, "item": item_id}

        def work(connection: Connection) -> None:
            _touch(connection, owner, thread_id)
            connection.execute(sql.DELETE_ITEM, bound)

        await self._database.write(work)

    # -- attachments and feedback ----------------------------------------------------------------

    async def save_attachment(self, owner: str, attachment: JsonObject) -> None:
        """See ``Store``."""
        key, thread_id, text = attachment["id"], attachment.get("thread_id"), _text(attachment)
        bound = {"caller": owner, "file": key, "thread": thread_id, "text": text}
        row = {"id": key, "owner": owner, "thread_id": thread_id, "data": text}
        row["created_at"] = to_micros(now())

        def work(connection: Connection) -> None:
            if connection.execute(sql.REPLACE_ATTACHMENT, bound).rowcount:
                return
            if _insert(connection, sql.ADD_ATTACHMENT, row):
                return
            if connection.execute(sql.REPLACE_ATTACHMENT, bound).rowcount == 0:
                raise _no_attachment(key)

        await self._database.write(work)

    async def replace_attachment(self, owner: str, old: JsonObject, new: JsonObject) -> bool:
        """See ``Store``."""
        bound = {"caller": owner, "file": old["id"], "old": _text(old)}
        bound |= {"thread": new.get("thread_id"), "text": _text(new)}
        return await self._database.write(
            lambda c: c.execute(sql.SWAP_ATTACHMENT, bound).rowcount == 1
        )

    async def load_attachment(self, owner: str, attachment_id: str) -> JsonObject:
        """See ``Store``."""
        bound = {"caller": owner, "file": attachment_id}
        text = await self._database.read(lambda c: c.scalar(sql.LOAD_ATTACHMENT, bound))
        if text is None:
            raise _no_attachment(attachment_id)
        return parse(text)

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """See ``Store``."""
        bound = {"caller": owner, "file": attachment_id}

        def work(connection: Connection) -> None:
            if connection.execute(sql.DELETE_ATTACHMENT, bound).rowcount == 0:
                raise _no_attachment(attachment_id)

        await self._database.write(work)

    async def count_untaken(self, owner: str) -> int:
        """See ``Store``."""
        found = await self._database.read(lambda c: c.scalar(sql.COUNT_UNTAKEN, {"caller": owner}))
        return int(found or 0)

    async def save_feedback(
        self, owner: str, thread_id: str, item_ids: Sequence[str], kind: str
    ) -> None:
        """See ``Store``."""
        bound = {"caller": owner, "thread": thread_id, "kind": kind}

        def work(connection: Connection) -> None:
            _touch(connection, owner, thread_id)
            for item_id in item_ids:
                if connection.execute(sql.FEEDBACK, bound | {"item": item_id}).rowcount == 0:
                    raise _no_item(thread_id, item_id)

        await self._database.write(work)

    # -- turns -----------------------------------------------------------------------------------

    async def begin_turn(self, turn: TurnRecord) -> TurnRecord:
        """See ``Store``."""
        bound = {"caller": turn.owner, "turn": turn.id, "used": turn.key}
        row = {
            "id": turn.id,
            "owner": turn.owner,
            "thread_id": turn.thread_id,
            "server": turn.server,
            "beat_at": to_micros(turn.beat_at),
            "key": turn.key,
            "outcome": "running",
            "pending": _text(turn.pending),
        }

        def work(connection: Connection) -> TurnRecord:
            _insert(connection, sql.BEGIN_TURN, row)
            kept = connection.execute(sql.EARLIER_TURN, bound).first()
            if kept is None:
                raise TurnNotFound(f"There is no turn {turn.id}.")
            return _turn(*kept)

        return await self._database.write(work)

    async def find_turn(self, owner: str, key: str) -> TurnRecord | None:
        """See ``Store``."""
        bound = {"caller": owner, "used": key}
        row = await self._database.read(lambda c: c.execute(sql.FIND_TURN, bound).first())
        return None if row is None else _turn(*row)

    async def journal(self, owner: str, turn_id: str, pending: Sequence[JsonObject]) -> bool:
        """See ``Store``."""
        bound = {"caller": owner, "turn": turn_id, "text": _text(list(pending))}
        return await self._database.write(lambda c: c.execute(sql.JOURNAL, bound).rowcount > 0)

    async def retire_after(self, owner: str, thread_id: str, item_id: str, turn_id: str) -> None:
        """See ``Store``."""
        bound: JsonObject = {"caller": owner, "thread": thread_id, "turn": turn_id}

        def work(connection: Connection) -> None:
            _touch(connection, owner, thread_id)
            seq = connection.scalar(sql.CURSOR[True], bound | {"after": item_id})
            if seq is None:
                raise _no_item(thread_id, item_id)
            if connection.scalar(sql.RUNNING_ON_THREAD, bound) is None:
                raise TurnNotFound(f"There is no running turn {turn_id} on thread {thread_id}.")
            connection.execute(sql.RETIRE_AFTER, bound | {"after_seq": seq})

        await self._database.write(work)

    async def end_turn(
        self, owner: str, turn_id: str, outcome: Outcome, items: Sequence[JsonObject] = ()
    ) -> Outcome | None:
        """See ``Store``."""
        bound: JsonObject = {"caller": owner, "turn": turn_id}
        columns = [_item_columns(owner, "", item) for item in items]

        def work(connection: Connection) -> Outcome | None:
            if connection.execute(sql.CLOSE_TURN, bound | {"ending": outcome}).rowcount == 0:
                return cast("Outcome | None", connection.scalar(sql.TURN_OUTCOME, bound))
            thread_id = connection.scalar(sql.TURN_THREAD, bound)
            here = bound | {"thread": thread_id}
            _settle(connection, here, finished=outcome == "finished")
            for item in columns:
                if connection.execute(sql.TOUCH_THREAD, here | _moment()).rowcount:
                    connection.execute(sql.ADD_ITEM, item | {"thread": thread_id})
            return outcome

        return await self._database.write(work)

    async def beat(self, server: str) -> None:
        """See ``Store``."""
        bound = {"process": server} | _moment()
        await self._database.write(lambda c: c.execute(sql.BEAT, bound))

    async def running_turns(self) -> list[TurnRecord]:
        """See ``Store``."""
        return await self._database.read(lambda c: [_turn(*row) for row in c.execute(sql.RUNNING)])

    # -- maintenance -----------------------------------------------------------------------------

    async def sweep(self, before: datetime) -> list[str]:
        """See ``Store``."""
        bound = {"since": to_micros(before)}
        found: dict[str, None] = {}

        def gone(connection: Connection, key: str) -> bool:
            # Looked at again: a message may have taken it in the meantime, and an attempt before this
            # one, whose answer was lost, may have deleted it.
            connection.execute(sql.DELETE_UNTAKEN, {"file": key})
            return connection.scalar(sql.ANY_ATTACHMENT, {"file": key}) is None

        def work(connection: Connection) -> list[str]:
            connection.execute(sql.FORGET_TURNS, bound)
            found.update(dict.fromkeys(connection.scalars(sql.UNTAKEN, bound)))
            return [key for key in found if gone(connection, key)]

        return await self._database.write(work)


def _text(value: object) -> str:
    return encode(value).decode()


def _moment() -> JsonObject:
    return {"now": to_micros(now())}


def _no_item(thread_id: str, item_id: str) -> ItemNotFound:
    return ItemNotFound(f"There is no item {item_id} in thread {thread_id}.")


def _no_attachment(attachment_id: str) -> AttachmentNotFound:
    return AttachmentNotFound(f"There is no attachment {attachment_id}.")


def _thread_columns(fields: JsonObject) -> JsonObject:
    return {name: value if name == "title" else _text(value) for name, value in fields.items()}


def _item_columns(owner: str, thread_id: str, item: JsonObject) -> JsonObject:
    return {
        "caller": owner,
        "thread": thread_id,
        "item": item["id"],
        "kind": item["type"],
        "is_hidden": item["type"] in HIDDEN_TYPES,
        "text": _text(item),
    }


def _thread(
    key: str, created_at: int, title: str | None, status: str, domains: str, metadata: str
) -> Thread:
    images = cast("list[str] | None", parse(domains))
    return Thread(key, from_micros(created_at), title, parse(status), images, parse(metadata))


def _turn(
    key: str,
    owner: str,
    thread_id: str,
    server: str,
    beat_at: int,
    used: str | None,
    outcome: Outcome,
    pending: str,
) -> TurnRecord:
    items = cast("list[JsonObject]", parse(pending))
    return TurnRecord(key, owner, thread_id, server, from_micros(beat_at), used, outcome, items)


def _load_thread(connection: Connection, owner: str, thread_id: str) -> Thread:
    bound = {"caller": owner, "thread": thread_id}
    row = connection.execute(sql.LOAD_THREAD, bound).one_or_none()
    if row is None:
        raise ThreadNotFound(f"There is no thread {thread_id}.")
    return _thread(*row)


def _touch(connection: Connection, owner: str, thread_id: str) -> None:
    bound = {"caller": owner, "thread": thread_id} | _moment()
    if connection.execute(sql.TOUCH_THREAD, bound).rowcount == 0:
        raise ThreadNotFound(f"There is no thread {thread_id}.")


def _insert(connection: Connection, statement: Insert, row: JsonObject) -> bool:
    """False when the key is taken, whoever has it: portable where an upsert is not."""
    try:
        with connection.begin_nested():
            connection.execute(statement, row)
    except IntegrityError:
        return False
    return True


def _settle(connection: Connection, here: JsonObject, *, finished: bool) -> None:
    """Deletes what the turn retired, or puts back whatever of it nothing new has replaced."""
    if finished:
        connection.execute(sql.DELETE_RETIRED, here)
        return
    for item_id in connection.scalars(sql.RETIRED_IDS, here).all():
        item = here | {"item": item_id}
        if connection.execute(sql.LOAD_ITEM, item).one_or_none() is not None:
            connection.execute(sql.DELETE_RETIRED_ITEM, item)
    connection.execute(sql.RESTORE, here)
