"""What each event of an answer does: to the readers, to the store, to the turn's own drafts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from parlour.answer.base import AnswerEvent, Cite, Emit, Notice, Progress, Text, ThreadChange
from parlour.chat import events
from parlour.chat.draft import Draft
from parlour.chat.journal import Journal
from parlour.errors import Conflict, ItemNotFound, ParlourError
from parlour.protocol import JsonObject, encode, is_hidden, parse
from parlour.stores.base import Store
from parlour.turnlog.base import EventEntry, TextEntry, TurnWriter

log = logging.getLogger(__name__)

_TEXT_DELTA = "assistant_message.content_part.text_delta"


class Recorder:
    """Numbers a turn's events, shows them to readers, and keeps what must not be lost.

    An item is in the store before a reader is told that it is done. Hidden items are stored and
    never shown, whatever event they come in. ``lost`` is called when the store says that the turn
    is over: its thread was deleted, or another server has taken this one for dead.
    """

    def __init__(
        self,
        owner: str,
        turn_id: str,
        thread_id: str,
        store: Store,
        writer: TurnWriter,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.owner = owner
        self.turn_id = turn_id
        self.thread_id = thread_id
        self.store = store
        self.failed = False
        """An error event has been shown."""
        self.asked = False
        """The thread holds a question that this turn has to answer."""
        self.finished: dict[str, JsonObject] = {}
        """The items that this turn has shown as done, in order."""
        self.taken = False
        """The turn is over in the store, and it was not us who ended it."""
        self._writer = writer
        self._lost = lost
        self._seq = 0
        self._drafts: dict[str, Draft] = {}
        self._hidden: set[str] = set()
        self._message: Draft | None = None
        self._message_id = ""
        self._length = 0
        self._journal = Journal(self._write_journal)

    def emit(self, event: JsonObject) -> None:
        """Shows an event to the readers; nothing is stored."""
        self._show(encode(event))

    def text(self, delta: str) -> None:
        """More of the assistant message; the hot path, so nothing here waits or encodes."""
        if not isinstance(delta, str):
            raise TypeError("A text delta is a string.")
        if not delta:
            return
        message = self._message or self._begin_message()
        message.append(0, delta)
        self._length += len(delta)
        self._show_text(self._message_id, 0, delta)

    async def take(self, event: AnswerEvent) -> None:
        """Anything an answerer says."""
        match event:
            case Text(delta):
                self.text(delta)
            case Cite():
                self._cite(event)
            case Notice():
                self.emit(events.notice(event))
            case Progress():
                self.emit(events.progress(event))
            case ThreadChange(changes):
                thread = await self.store.update_thread(self.owner, self.thread_id, changes)
                self.emit(events.thread_updated(thread))
            case Emit(wire):
                await self._take_wire(wire)

    async def add(self, item: JsonObject) -> None:
        """A finished item: stored, then shown."""
        await self.store.add_item(self.owner, self.thread_id, item)
        if not is_hidden(item):
            self.finished[item["id"]] = item
            self.emit(events.item_done(item))

    def unfinished(self) -> list[JsonObject]:
        """The items that are being written and hold something worth keeping."""
        items = []
        for draft in self._drafts.values():
            try:
                if not draft.stored and draft.worth_keeping:
                    items.append(draft.item())
            except Exception as error:
                # One item that an answerer has spoilt must not take the others with it.
                log.warning("turn %s: an item cannot be kept: %r", self.turn_id, error)
        return items

    async def settle(self) -> list[JsonObject]:
        """Ends the recording: saves changes to stored items, and gives back ``unfinished``."""
        await self._journal.close()
        self._end_message()
        for draft in self._drafts.values():
            if draft.stored:
                with suppress(ParlourError):
                    await self.store.save_item(self.owner, self.thread_id, draft.item())
        return self.unfinished()

    def _begin_message(self) -> Draft:
        item = events.assistant_message(self.thread_id)
        self.emit(events.item_added(item))
        part: JsonObject = {"annotations": [], "text": "", "type": "output_text"}
        update = {
            "type": "assistant_message.content_part.added",
            "content_index": 0,
            "content": part,
        }
        self._message_id = item["id"]
        self._message = self._drafts[self._message_id] = Draft(item)
        self._message.update(update)
        self._length = 0
        self.emit(events.item_updated(self._message_id, update))
        return self._message

    def _end_message(self) -> None:
        if self._message is not None:
            update = {
                "type": "assistant_message.content_part.done",
                "content_index": 0,
                "content": self._message.item()["content"][0],
            }
            self.emit(events.item_updated(self._message_id, update))
            self._message = None

    def _cite(self, cite: Cite) -> None:
        message = self._message or self._begin_message()
        index = self._length if cite.index is None else cite.index
        annotations = message.item()["content"][0]["annotations"]
        update = {
            "type": "assistant_message.content_part.annotation_added",
            "content_index": 0,
            "annotation_index": len(annotations),
            "annotation": {"type": "annotation", "source": cite.source, "index": index},
        }
        message.update(update)
        self.emit(events.item_updated(self._message_id, update))
        self._journal.touch(0)

    async def _take_wire(self, event: JsonObject) -> None:
        kind = event.get("type")
        if kind == "thread.item.updated":
            await self._update(event)
            return
        if kind in ("thread.item.added", "thread.item.done", "thread.item.replaced"):
            await self._finish_message()
            await self._take_item(str(kind), event)
            return
        if kind == "thread.item.removed":
            await self._remove(event["item_id"])
        if kind == "error":
            self.failed = True
        if event.get("item_id") not in self._hidden:
            self.emit(event)

    async def _finish_message(self) -> None:
        """Closes our own assistant message, because another item follows it."""
        if self._message is not None:
            self._end_message()
            await self._claim()
            await self.add(self._drafts[self._message_id].item())
            del self._drafts[self._message_id]

    async def _claim(self) -> None:
        """Makes sure that the turn is still ours before one of its items is said to be done.

        Whoever ends it in our place from now on finds the item among the unfinished ones.
        """
        await self._journal.write_now()
        if self.taken:
            raise Conflict("This answer was ended elsewhere.")

    async def _take_item(self, kind: str, event: JsonObject) -> None:
        item: JsonObject = event["item"]
        if not isinstance(item["id"], str) or not isinstance(item["type"], str):
            raise TypeError("An item's id and type are strings.")
        if kind == "thread.item.added":
            if is_hidden(item):
                self._hidden.add(item["id"])
            self._drafts[item["id"]] = Draft(parse(encode(item)))
            self._journal.touch(0)
        else:
            draft = self._drafts.get(item["id"])
            if draft is None or not draft.stored:
                self._drafts[item["id"]] = Draft(item)
            await self._claim()
            # Saved, not added: a reader puts a second item of this id in the place of the first.
            await self.store.save_item(self.owner, self.thread_id, item)
            self._drafts.pop(item["id"], None)
            self.finished[item["id"]] = item
        if not is_hidden(item):
            self.emit(event)

    async def _update(self, event: JsonObject) -> None:
        item_id: str = event["item_id"]
        if item_id in self._hidden:
            return
        draft = self._drafts.get(item_id)
        update: JsonObject = event["update"]
        if draft is None:
            draft = await self._stored_draft(item_id)
            if draft is None:
                return
        if update.get("type") == _TEXT_DELTA:
            index, delta = update["content_index"], update["delta"]
            if not isinstance(index, int) or not isinstance(delta, str):
                raise TypeError("A text delta is a string at a number.")
            draft.append(index, delta)
            self._show_text(item_id, index, delta)
            return
        data = encode(event)  # first: what cannot be encoded must not get into the item
        draft.update(update)
        self._show(data)
        if draft.stored:
            await self.store.save_item(self.owner, self.thread_id, draft.item())
        self._journal.touch(len(update.get("delta") or ""))

    async def _stored_draft(self, item_id: str) -> Draft | None:
        """An item of an earlier turn that this one changes; None for one that isn't shown."""
        try:
            stored = await self.store.load_item(self.owner, self.thread_id, item_id)
        except ItemNotFound:
            return None
        item = parse(stored.data)
        if is_hidden(item):
            self._hidden.add(item_id)
            return None
        draft = self._drafts[item_id] = Draft(item, stored=True)
        return draft

    async def _remove(self, item_id: str) -> None:
        self._drafts.pop(item_id, None)
        self.finished.pop(item_id, None)
        await self.store.delete_item(self.owner, self.thread_id, item_id)

    def _show(self, data: bytes) -> None:
        self._seq += 1
        self._writer.append(EventEntry(self._seq, data))

    def _show_text(self, item_id: str, content_index: int, delta: str) -> None:
        self._seq += 1
        self._writer.append(TextEntry(self._seq, item_id, content_index, delta))
        self._journal.touch(len(delta))

    async def _write_journal(self) -> None:
        if not await self.store.journal(self.owner, self.turn_id, self.unfinished()):
            self.taken = True
            self._lost()
