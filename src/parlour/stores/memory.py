"""A store that forgets when it closes: for trying things out, and the shortest reading of the promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from parlour.errors import (
    AttachmentNotFound,
    ItemNotFound,
    ThreadBusy,
    ThreadNotFound,
    TurnNotFound,
)
from parlour.protocol import HIDDEN_TYPES, JsonObject, encode, now, parse
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


@dataclass(slots=True)
class _Item:
    id: str
    type: str
    data: str
    retired_by: str | None = None
    feedback: str | None = None


@dataclass(slots=True)
class _Thread:
    owner: str
    created_at: datetime
    fields: str
    items: list[_Item] = field(default_factory=list)
    touched: datetime = field(default_factory=now)

    def live(self, item_id: str) -> _Item | None:
        return next((i for i in self.items if i.id == item_id and i.retired_by is None), None)

    def add(self, item: JsonObject) -> None:
        if self.live(item["id"]) is None:
            self.items.append(_Item(item["id"], item["type"], _text(item)))


@dataclass(slots=True)
class _Turn:
    record: TurnRecord
    pending: str = "[]"

    def copy(self) -> TurnRecord:
        return replace(self.record, pending=parse(f'{{"items":{self.pending}}}')["items"])


def _text(value: object) -> str:
    return encode(value).decode()


class MemoryStore(Store):
    """Keeps JSON text, as a database would, so that nobody shares an object with it."""

    durable = False

    def __init__(self) -> None:
        self._threads: dict[str, _Thread] = {}
        # id -> (owner, record, when it was made)
        self._attachments: dict[str, tuple[str, str, datetime]] = {}
        self._turns: dict[str, _Turn] = {}

    @classmethod
    def from_spec(cls, spec: str, options: StoreOptions = DEFAULTS) -> MemoryStore:
        """There is nothing to choose."""
        return cls()

    async def schema(self) -> Schema:
        """There is only one."""
        return Schema("memory", "memory", ("memory",))

    async def migrate(self, revision: str | None = None) -> None:
        """There is nothing to change."""

    async def open(self) -> None:
        """Always succeeds."""

    async def close(self) -> None:
        """Forgets everything."""
        self._threads.clear()
        self._attachments.clear()
        self._turns.clear()

    async def check(self) -> None:
        """Always succeeds."""

    # -- threads ---------------------------------------------------------------------------------

    def _thread(self, owner: str, thread_id: str) -> _Thread:
        row = self._threads.get(thread_id)
        if row is None or row.owner != owner:
            raise ThreadNotFound(f"There is no thread {thread_id}.")
        return row

    def _touch(self, owner: str, thread_id: str) -> _Thread:
        row = self._thread(owner, thread_id)
        row.touched = now()
        return row

    def _item(self, owner: str, thread_id: str, item_id: str) -> _Item:
        item = self._thread(owner, thread_id).live(item_id)
        if item is None:
            raise ItemNotFound(f"There is no item {item_id} in thread {thread_id}.")
        return item

    async def add_thread(self, owner: str, thread: Thread) -> None:
        """See ``Store``."""
        if thread.id in self._threads:
            self._thread(owner, thread.id)
            return
        fields = {
            "title": thread.title,
            "status": thread.status,
            "allowed_image_domains": thread.allowed_image_domains,
            "metadata": thread.metadata,
        }
        self._threads[thread.id] = _Thread(owner, thread.created_at, _text(fields))

    async def load_thread(self, owner: str, thread_id: str) -> Thread:
        """See ``Store``."""
        row = self._thread(owner, thread_id)
        return Thread(thread_id, row.created_at, **parse(row.fields))

    async def update_thread(self, owner: str, thread_id: str, changes: JsonObject) -> Thread:
        """See ``Store``."""
        check_changes(changes)
        row = self._touch(owner, thread_id)
        row.fields = _text(parse(row.fields) | changes)
        return await self.load_thread(owner, thread_id)

    async def list_threads(
        self, owner: str, *, limit: int, after: str | None = None, order: Order = "desc"
    ) -> Page[Thread]:
        """See ``Store``."""
        own = [(row.created_at, key) for key, row in self._threads.items() if row.owner == owner]
        own.sort(reverse=order == "desc")
        if after is not None:
            cursor = (self._thread(owner, after).created_at, after)
            own = own[own.index(cursor) + 1 :]
        return Page.cut([await self.load_thread(owner, key) for _, key in own[: limit + 1]], limit)

    async def delete_thread(
        self, owner: str, thread_id: str, *, idle_since: datetime | None = None
    ) -> list[str]:
        """See ``Store``."""
        row = self._thread(owner, thread_id)
        turns = [
            turn.record
            for turn in self._turns.values()
            if turn.record.owner == owner and turn.record.thread_id == thread_id
        ]
        busy = any(turn.outcome == "running" for turn in turns)
        if idle_since is not None and (busy or row.touched >= idle_since):
            raise ThreadBusy(f"Thread {thread_id} is in use.")
        del self._threads[thread_id]
        for turn in turns:
            del self._turns[turn.id]
        gone = [
            key
            for key, (holder, data, _) in self._attachments.items()
            if holder == owner and parse(data).get("thread_id") == thread_id
        ]
        for key in gone:
            del self._attachments[key]
        return gone

    async def idle_threads(
        self, before: datetime, *, limit: int, after: tuple[str, str] | None = None
    ) -> list[tuple[str, str]]:
        """See ``Store``."""
        idle = sorted(
            (row.owner, key) for key, row in self._threads.items() if row.touched < before
        )
        return [pair for pair in idle if after is None or pair > after][:limit]

    # -- items -----------------------------------------------------------------------------------

    async def add_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """See ``Store``."""
        self._touch(owner, thread_id).add(item)

    async def save_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """See ``Store``."""
        thread = self._touch(owner, thread_id)
        row = thread.live(item["id"])
        if row is None:
            thread.add(item)
        else:
            row.type, row.data = item["type"], _text(item)

    async def load_item(self, owner: str, thread_id: str, item_id: str) -> StoredItem:
        """See ``Store``."""
        row = self._item(owner, thread_id, item_id)
        return StoredItem(row.id, row.type, row.data, row.feedback)

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
        rows = [
            StoredItem(row.id, row.type, row.data, row.feedback)
            for row in self._thread(owner, thread_id).items
            if row.retired_by is None and (hidden or row.type not in HIDDEN_TYPES)
        ]
        if order == "desc":
            rows.reverse()
        if after is not None:
            ids = [row.id for row in rows]
            if after not in ids:
                raise ItemNotFound(f"There is no item {after} in thread {thread_id}.")
            rows = rows[ids.index(after) + 1 :]
        return Page.cut(rows[: limit + 1], limit)

    async def delete_item(self, owner: str, thread_id: str, item_id: str) -> None:
        """See ``Store``."""
        thread = self._touch(owner, thread_id)
        row = thread.live(item_id)
        if row is not None:
            thread.items.remove(row)

    # -- attachments and feedback ----------------------------------------------------------------

    def _attachment(self, owner: str, attachment_id: str) -> str:
        holder, data, _ = self._attachments.get(attachment_id, (None, "", None))
        if holder != owner:
            raise AttachmentNotFound(f"There is no attachment {attachment_id}.")
        return data

    async def save_attachment(self, owner: str, attachment: JsonObject) -> None:
        """See ``Store``."""
        made = now()
        if attachment["id"] in self._attachments:
            self._attachment(owner, attachment["id"])
            made = self._attachments[attachment["id"]][2]
        self._attachments[attachment["id"]] = (owner, _text(attachment), made)

    async def replace_attachment(self, owner: str, old: JsonObject, new: JsonObject) -> bool:
        """See ``Store``."""
        holder, data, made = self._attachments.get(old["id"], (None, "", None))
        if made is None or (holder, data) != (owner, _text(old)):
            return False
        self._attachments[old["id"]] = (owner, _text(new), made)
        return True

    async def load_attachment(self, owner: str, attachment_id: str) -> JsonObject:
        """See ``Store``."""
        return parse(self._attachment(owner, attachment_id))

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """See ``Store``."""
        self._attachment(owner, attachment_id)
        del self._attachments[attachment_id]

    async def count_untaken(self, owner: str) -> int:
        """See ``Store``."""
        return sum(
            holder == owner and parse(data).get("thread_id") is None
            for holder, data, _ in self._attachments.values()
        )

    async def save_feedback(
        self, owner: str, thread_id: str, item_ids: Sequence[str], kind: str
    ) -> None:
        """See ``Store``."""
        self._touch(owner, thread_id)
        for row in [self._item(owner, thread_id, item_id) for item_id in item_ids]:
            row.feedback = kind

    # -- turns -----------------------------------------------------------------------------------

    def _running(self, owner: str, turn_id: str) -> _Turn | None:
        turn = self._turns.get(turn_id)
        mine = turn is not None and turn.record.owner == owner
        return turn if turn is not None and mine and turn.record.outcome == "running" else None

    async def begin_turn(self, turn: TurnRecord) -> TurnRecord:
        """See ``Store``."""
        for earlier in self._turns.values():
            record = earlier.record
            same_key = turn.key is not None and record.key == turn.key
            if record.owner == turn.owner and (same_key or record.id == turn.id):
                return earlier.copy()
        if turn.id in self._turns:
            raise TurnNotFound(f"There is no turn {turn.id}.")
        kept = _Turn(replace(turn, outcome="running", pending=[]), _text(turn.pending))
        self._turns[turn.id] = kept
        return kept.copy()

    async def find_turn(self, owner: str, key: str) -> TurnRecord | None:
        """See ``Store``."""
        for turn in self._turns.values():
            if (turn.record.owner, turn.record.key) == (owner, key):
                return turn.copy()
        return None

    async def journal(self, owner: str, turn_id: str, pending: Sequence[JsonObject]) -> bool:
        """See ``Store``."""
        turn = self._running(owner, turn_id)
        if turn is None:
            return False
        turn.pending = _text(list(pending))
        return True

    async def retire_after(self, owner: str, thread_id: str, item_id: str, turn_id: str) -> None:
        """See ``Store``."""
        item = self._item(owner, thread_id, item_id)
        turn = self._running(owner, turn_id)
        if turn is None or turn.record.thread_id != thread_id:
            raise TurnNotFound(f"There is no running turn {turn_id} on thread {thread_id}.")
        items = self._thread(owner, thread_id).items
        place = next(i for i, row in enumerate(items) if row is item)
        for row in items[place + 1 :]:
            if row.retired_by is None:
                row.retired_by = turn_id

    async def end_turn(
        self, owner: str, turn_id: str, outcome: Outcome, items: Sequence[JsonObject] = ()
    ) -> Outcome | None:
        """See ``Store``."""
        turn = self._running(owner, turn_id)
        if turn is None:
            closed = self._turns.get(turn_id)
            return closed.record.outcome if closed and closed.record.owner == owner else None
        turn.record, turn.pending = replace(turn.record, outcome=outcome), "[]"
        thread = self._threads.get(turn.record.thread_id)
        if thread is None or thread.owner != owner:
            return outcome
        thread.touched = now()
        taken = {row.id for row in thread.items if row.retired_by is None}
        thread.items = [
            row
            for row in thread.items
            if row.retired_by != turn_id or (outcome != "finished" and row.id not in taken)
        ]
        for row in thread.items:
            if row.retired_by == turn_id:
                row.retired_by = None
        for item in items:
            thread.add(item)
        return outcome

    async def beat(self, server: str) -> None:
        """See ``Store``."""
        for turn in self._turns.values():
            if turn.record.server == server and turn.record.outcome == "running":
                turn.record = replace(turn.record, beat_at=now())

    async def running_turns(self) -> list[TurnRecord]:
        """See ``Store``."""
        return [turn.copy() for turn in self._turns.values() if turn.record.outcome == "running"]

    # -- maintenance -----------------------------------------------------------------------------

    async def sweep(self, before: datetime) -> list[str]:
        """See ``Store``."""
        for turn in list(self._turns.values()):
            if turn.record.outcome != "running" and turn.record.beat_at < before:
                del self._turns[turn.record.id]
        gone = [
            key
            for key, (_, data, made) in self._attachments.items()
            if made < before and parse(data).get("thread_id") is None
        ]
        for key in gone:
            del self._attachments[key]
        return gone
