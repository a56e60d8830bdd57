"""The store's promise.

Every method is bound to an owner, in the query itself: what belongs to somebody else does not
exist. Items keep the order in which they were added, by a sequence number of their thread, whatever
their timestamps. Items are JSON text that is stored, and given back, as it lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

from parlour.errors import BadRequest
from parlour.protocol import EMPTY_PAGE, JsonObject, timestamp

T = TypeVar("T", bound="Thread | StoredItem")
Order = Literal["asc", "desc"]
Outcome = Literal["running", "finished", "stopped", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation without its items; times are aware UTC."""

    id: str
    created_at: datetime
    title: str | None = None
    status: JsonObject = field(default_factory=lambda: {"type": "active"})
    allowed_image_domains: list[str] | None = None
    metadata: JsonObject = field(default_factory=dict)

    def wire(self, items: JsonObject = EMPTY_PAGE) -> JsonObject:
        """As a client sees it: no metadata, and ``items`` only where they are meant."""
        body: JsonObject = {"id": self.id, "created_at": timestamp(self.created_at)}
        if self.title is not None:
            body["title"] = self.title
        body["status"] = self.status
        if self.allowed_image_domains is not None:
            body["allowed_image_domains"] = self.allowed_image_domains
        body["metadata"] = {}
        body["items"] = items
        return body


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as it lies in the store: ``data`` is its JSON for the wire, never re-serialised."""

    id: str
    type: str
    data: str
    feedback: str | None = None
    """The owner's latest thumb: ``positive``, ``negative`` or none."""


@dataclass(frozen=True, slots=True)
class Schema:
    """Which revision of its schema a database has, None for an empty one, and which this Parlour needs."""

    current: str | None
    needed: str
    revisions: tuple[str, ...] = ()
    """Every revision this Parlour knows, oldest first."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """What is lost when a revision is taken back, in words; nothing where a revision isn't named."""

    @property
    def is_current(self) -> bool:
        return self.current == self.needed


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a database server is used; what does not apply to a store is ignored.

    Seconds for ``pool_recycle`` (after which a connection is replaced) and ``timeout`` (for
    connecting, and for waiting until a connection of the pool is free).
    """

    pool_size: int = 5
    max_overflow: int = 10
    pool_recycle: float = 1800
    pool_pre_ping: bool = True
    timeout: float = 10
    partitions: int = 0
    """PostgreSQL: into how many tables the items of a new database are split; 0 for one."""
    read_only: bool = False
    """A replica: opened without asking whether it takes writes."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``after`` is the id of the last row when there is more, else None."""

    data: list[T]
    has_more: bool = False
    after: str | None = None

    @classmethod
    def cut(cls, rows: Sequence[T], limit: int) -> Page[T]:
        """The page made of up to ``limit + 1`` rows: the last one only says that there is more."""
        data = list(rows[:limit])
        has_more = len(rows) > limit
        return cls(data, has_more, data[-1].id if has_more and data else None)


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A turn as the store knows it: enough to close it if its server is gone.

    ``pending`` holds the unfinished items as last journalled; ``server`` names the process that
    owns the turn, ``beat_at`` when that process last said it lives.
    """

    id: str
    owner: str
    thread_id: str
    server: str
    beat_at: datetime
    key: str | None = None
    outcome: Outcome = "running"
    pending: list[JsonObject] = field(default_factory=list)


THREAD_FIELDS = frozenset({"title", "status", "allowed_image_domains", "metadata"})
"""What ``update_thread`` can change."""


def check_changes(changes: JsonObject) -> None:
    """Raises ``BadRequest`` for a field that a thread does not have or that never changes."""
    unknown = sorted(changes.keys() - THREAD_FIELDS)
    if unknown:
        raise BadRequest(
            f"A thread has no changeable field {unknown[0]!r}.",
            hint=f"Choose from: {', '.join(sorted(THREAD_FIELDS))}.",
        )


DEFAULTS = StoreOptions()


class Store(ABC):
    """Threads, items, attachments' records, feedback and turns of every owner, kept apart."""

    durable = True
    """False for a store that forgets when it closes."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: str, options: StoreOptions = DEFAULTS) -> Store:
        """Opens nothing yet: the whole spec, such as ``sqlite:///chat.db`` or ``memory``."""

    @abstractmethod
    async def open(self) -> None:
        """Connects; ``StoreUnavailable`` when that fails.

        An old schema is refused with ``SchemaOutdated``, which names the command; only SQLite
        brings its own up to date.
        """

    @abstractmethod
    async def schema(self) -> Schema:
        """Which schema the database has; works before ``open``."""

    @abstractmethod
    async def migrate(self, revision: str | None = None) -> None:
        """Brings the schema to a revision, the newest when none is named; works before ``open``.

        ``"base"`` removes everything of ours. ``ConfigurationError`` for an unknown revision.
        """

    @abstractmethod
    async def close(self) -> None:
        """Lets go of connections; what was acknowledged is on disk. Closing twice is harmless."""

    @abstractmethod
    async def check(self) -> None:
        """Returns if the store can read and write now; ``StoreUnavailable`` with the reason if not."""

    # -- threads ---------------------------------------------------------------------------------

    @abstractmethod
    async def add_thread(self, owner: str, thread: Thread) -> None:
        """Adds a thread; adding the same id again for the same owner changes nothing.

        An id that another owner has raises ``ThreadNotFound``.
        """

    @abstractmethod
    async def load_thread(self, owner: str, thread_id: str) -> Thread:
        """Raises ``ThreadNotFound``, as every method below that is given a thread id."""

    @abstractmethod
    async def update_thread(self, owner: str, thread_id: str, changes: JsonObject) -> Thread:
        """Changes the named ones of ``THREAD_FIELDS`` and no others; returns the thread as it is now.

        ``BadRequest`` for any other name.
        """

    @abstractmethod
    async def list_threads(
        self, owner: str, *, limit: int, after: str | None = None, order: Order = "desc"
    ) -> Page[Thread]:
        """The owner's threads by creation; equal times lose and repeat nothing.

        An ``after`` that is not one of the owner's threads raises ``ThreadNotFound``.
        """

    @abstractmethod
    async def delete_thread(
        self, owner: str, thread_id: str, *, idle_since: datetime | None = None
    ) -> list[str]:
        """Deletes the thread and everything of it; returns the ids of attachments it had.

        With ``idle_since``, only if nothing was written to it since then, and no turn runs on it:
        ``ThreadBusy`` otherwise.
        """

    @abstractmethod
    async def idle_threads(
        self, before: datetime, *, limit: int, after: tuple[str, str] | None = None
    ) -> list[tuple[str, str]]:
        """Owner and id of threads that nothing was written to since ``before``, by owner and id.

        Looks across owners, for maintenance only. ``after`` is the last pair of the batch before.
        """

    # -- items -----------------------------------------------------------------------------------

    @abstractmethod
    async def add_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """Adds an item at the end; an id that is already in the thread is left as it is."""

    @abstractmethod
    async def save_item(self, owner: str, thread_id: str, item: JsonObject) -> None:
        """Replaces an item where it stands, or adds it at the end."""

    @abstractmethod
    async def load_item(self, owner: str, thread_id: str, item_id: str) -> StoredItem:
        """Raises ``ItemNotFound``."""

    @abstractmethod
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
        """Items by sequence. Hidden ones only with ``hidden``; without, pages are full all the same
        and a cursor is never a hidden item. An unknown ``after`` raises ``ItemNotFound``."""

    @abstractmethod
    async def delete_item(self, owner: str, thread_id: str, item_id: str) -> None:
        """Deletes an item if it is there."""

    # -- attachments and feedback ----------------------------------------------------------------

    @abstractmethod
    async def save_attachment(self, owner: str, attachment: JsonObject) -> None:
        """Upserts an attachment's record; ``AttachmentNotFound`` when another owner has the id."""

    @abstractmethod
    async def replace_attachment(self, owner: str, old: JsonObject, new: JsonObject) -> bool:
        """Replaces the record that is still exactly ``old``; False, and nothing happens, if none is.

        Of two that replace the same one, one succeeds.
        """

    @abstractmethod
    async def load_attachment(self, owner: str, attachment_id: str) -> JsonObject:
        """The record, metadata included; raises ``AttachmentNotFound``."""

    @abstractmethod
    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """Deletes the record; ``AttachmentNotFound`` when there is none, or it is somebody else's."""

    @abstractmethod
    async def count_untaken(self, owner: str) -> int:
        """How many attachments of the owner's no message has taken yet: those without a thread."""

    @abstractmethod
    async def save_feedback(
        self, owner: str, thread_id: str, item_ids: Sequence[str], kind: str
    ) -> None:
        """Keeps the latest thumb for each item; ``ItemNotFound`` when one is not in the thread."""

    # -- turns -----------------------------------------------------------------------------------

    @abstractmethod
    async def begin_turn(self, turn: TurnRecord) -> TurnRecord:
        """Keeps a running turn; gives back the earlier one when its owner used the key or id before.

        The thread need not exist yet. A turn is deleted with its thread. ``TurnNotFound`` when
        another owner has the id.
        """

    @abstractmethod
    async def find_turn(self, owner: str, key: str) -> TurnRecord | None:
        """The turn for which the owner used this key, if one did."""

    @abstractmethod
    async def journal(self, owner: str, turn_id: str, pending: Sequence[JsonObject]) -> bool:
        """Keeps the unfinished items of a running turn; the last call wins.

        False, and nothing happens, if the turn is closed, gone, or somebody else's.
        """

    @abstractmethod
    async def retire_after(self, owner: str, thread_id: str, item_id: str, turn_id: str) -> None:
        """Hides every later item of the thread from all reads until the turn ends.

        ``ItemNotFound`` when the item is not there; ``TurnNotFound`` when no such turn runs on the
        thread, for nobody would ever settle what it retired. A retired item's id is free again.
        """

    @abstractmethod
    async def end_turn(
        self, owner: str, turn_id: str, outcome: Outcome, items: Sequence[JsonObject] = ()
    ) -> Outcome | None:
        """Closes a running turn, all or nothing; returns how the turn has ended, None if it is gone.

        Nothing happens to a turn that is closed already, and how that one ended is returned: whoever
        asks again because the first answer was lost learns that it was done.

        Settles what the turn retired: gone for good when it finished, back in its place otherwise
        (unless something new took its id). Then adds ``items`` (as ``add_item`` does, skipped if
        the thread is gone) and forgets what was pending.
        """

    @abstractmethod
    async def beat(self, server: str) -> None:
        """Says that this server's running turns are alive."""

    @abstractmethod
    async def running_turns(self) -> list[TurnRecord]:
        """Every owner's running turns, for closing those whose server is gone."""

    # -- maintenance -----------------------------------------------------------------------------

    @abstractmethod
    async def sweep(self, before: datetime) -> list[str]:
        """Forgets ended turns, and attachments that no message took, from before that time.

        Returns the attachments' ids, whose bytes are to go too.
        """
