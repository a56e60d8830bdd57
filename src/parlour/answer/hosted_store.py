"""Our store, as code written for the official SDK calls it."""

from __future__ import annotations

from typing import Literal, cast

import chatkit.store
from chatkit.store import NotFoundError, StoreItemType
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata, UserMessageItem

from parlour.answer.hosted_context import Binding, HostedContext, binding_of
from parlour.answer.hosted_models import (
    attachment_json,
    attachment_model,
    changed_fields,
    item_json,
    readable_item,
    thread_fields,
    thread_model,
)
from parlour.errors import NotFound, ThreadNotFound
from parlour.protocol import IdKind, JsonObject, new_id, parse
from parlour.stores.base import Store, StoredItem, Thread

_KINDS: dict[StoreItemType, IdKind] = {
    "thread": "thread",
    "message": "message",
    "tool_call": "tool_call",
    "task": "task",
    "workflow": "workflow",
    "attachment": "attachment",
    "sdk_hidden_context": "hidden",
}


class HostedStore(chatkit.store.Store[HostedContext]):
    """Reaches the caller's own threads and nobody else's, whatever ids it is asked for.

    The caller comes with the context. A call with a context that Parlour has not made fails.
    """

    def generate_thread_id(self, context: HostedContext) -> str:
        """128 random bits."""
        return new_id("thread")

    def generate_item_id(
        self, item_type: StoreItemType, thread: ThreadMetadata, context: HostedContext
    ) -> str:
        """128 random bits."""
        item_id = new_id(_KINDS.get(item_type, "message"))
        binding_of(context).made.add(item_id)
        return item_id

    # -- threads ---------------------------------------------------------------------------------

    async def load_thread(self, thread_id: str, context: HostedContext) -> ThreadMetadata:
        """``NotFoundError`` for a thread that is not there or not the caller's."""
        binding, store = _open(context)
        try:
            thread = thread_model(await store.load_thread(binding.owner, thread_id))
        except NotFound as error:
            raise NotFoundError(error.message) from error
        binding.threads[thread_id] = thread_fields(thread)
        return thread

    async def save_thread(self, thread: ThreadMetadata, context: HostedContext) -> None:
        """Writes what was changed since the thread was handed out, so that an old copy undoes
        nothing; adds a thread that is not there yet."""
        binding, store = _open(context)
        fields = thread_fields(thread)
        try:
            before = binding.threads.get(thread.id)
            if before is None:
                stored = await store.load_thread(binding.owner, thread.id)
                before = thread_fields(thread_model(stored))
            if changes := changed_fields(before, fields):
                await store.update_thread(binding.owner, thread.id, changes)
        except ThreadNotFound:
            created_at = thread.created_at.astimezone()
            await store.add_thread(binding.owner, Thread(thread.id, created_at, **fields))
        binding.threads[thread.id] = fields

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: HostedContext
    ) -> Page[ThreadMetadata]:
        """The caller's threads by creation."""
        binding, store = _open(context)
        page = await store.list_threads(
            binding.owner, limit=max(1, limit), after=after or None, order=_order(order)
        )
        data = [thread_model(thread) for thread in page.data]
        for thread in data:
            binding.threads[thread.id] = thread_fields(thread)
        return Page(data=data, has_more=page.has_more, after=page.after)

    async def delete_thread(self, thread_id: str, context: HostedContext) -> None:
        """Deletes a thread and everything of it, if it is the caller's."""
        binding, store = _open(context)
        try:
            await store.delete_thread(binding.owner, thread_id)
        except NotFound as error:
            raise NotFoundError(error.message) from error

    # -- items -----------------------------------------------------------------------------------

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: HostedContext
    ) -> Page[ThreadItem]:
        """Items in the order in which they were added, hidden ones too."""
        binding, store = _open(context)
        try:
            page = await store.list_items(
                binding.owner,
                thread_id,
                limit=max(1, limit),
                after=after or None,
                order=_order(order),
                hidden=True,
            )
        except NotFound as error:
            raise NotFoundError(error.message) from error
        models = [await read_item(binding, item) for item in page.data]
        return Page(
            data=[model for model in models if model is not None],
            has_more=page.has_more,
            after=page.after,
        )

    async def load_item(self, thread_id: str, item_id: str, context: HostedContext) -> ThreadItem:
        """``NotFoundError`` for an item that is not there or not the caller's."""
        binding, store = _open(context)
        try:
            item = await read_item(
                binding, await store.load_item(binding.owner, thread_id, item_id)
            )
        except NotFound as error:
            raise NotFoundError(error.message) from error
        if item is None:
            raise NotFoundError(f"Item {item_id} cannot be read.")
        return item

    async def add_thread_item(
        self, thread_id: str, item: ThreadItem, context: HostedContext
    ) -> None:
        """Adds an item at the end; one that is there already is replaced where it stands.

        The SDK adds an unfinished workflow at the end of one turn and again in the next.
        """
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: HostedContext) -> None:
        """Replaces an item where it stands, or adds it at the end."""
        binding, store = _open(context)
        try:
            await store.save_item(binding.owner, thread_id, item_json(item))
        except NotFound as error:
            raise NotFoundError(error.message) from error
        binding.stored.add(item.id)

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: HostedContext
    ) -> None:
        """Deletes an item if it is there."""
        binding, store = _open(context)
        await store.delete_item(binding.owner, thread_id, item_id)
        binding.stored.discard(item_id)

    # -- attachments -----------------------------------------------------------------------------

    async def save_attachment(self, attachment: Attachment, context: HostedContext) -> None:
        """Keeps an attachment's record; ``NotFoundError`` when somebody else has the id."""
        binding, store = _open(context)
        try:
            record = await store.load_attachment(binding.owner, attachment.id)
        except NotFound:
            record = {}
        try:
            await store.save_attachment(binding.owner, attachment_json(attachment, record))
        except NotFound as error:
            raise NotFoundError(error.message) from error

    async def load_attachment(self, attachment_id: str, context: HostedContext) -> Attachment:
        """``NotFoundError`` for an attachment that is not there or not the caller's."""
        binding, store = _open(context)
        try:
            return attachment_model(await store.load_attachment(binding.owner, attachment_id))
        except NotFound as error:
            raise NotFoundError(error.message) from error

    async def delete_attachment(self, attachment_id: str, context: HostedContext) -> None:
        """Deletes an attachment's record, if it is the caller's."""
        binding, store = _open(context)
        try:
            await store.delete_attachment(binding.owner, attachment_id)
        except NotFound as error:
            raise NotFoundError(error.message) from error


class ThreadWatch:
    """Tells what hosted code has changed in the thread it was given."""

    def __init__(self, thread: ThreadMetadata, binding: Binding) -> None:
        self._thread = thread
        self._last = thread.model_copy(deep=True)
        self._threads = binding.threads
        self._threads[thread.id] = thread_fields(thread)

    def changes(self) -> JsonObject:
        """The fields changed since the last time, with their new values."""
        if self._thread == self._last:
            return {}
        now = thread_fields(self._thread)
        changes = changed_fields(thread_fields(self._last), now)
        self._last = self._thread.model_copy(deep=True)
        self._threads[self._thread.id] = now
        return changes


def host_store(theirs: object) -> HostedStore:
    """The store a hosted server gets in place of its own.

    It keeps the class, attributes and further methods of theirs, for code that checks or uses them
    (the official samples declare ``store: MemoryStore`` on their agent context), and answers all
    that the SDK's ``Store`` promises from ours.
    """
    if isinstance(theirs, HostedStore):
        return theirs
    if not isinstance(theirs, chatkit.store.Store):
        return HostedStore()
    kind = cast("type[HostedStore]", type("HostedStore", (HostedStore, type(theirs)), {}))
    store = kind.__new__(kind)
    store.__dict__.update(vars(theirs))
    return store


async def read_item(binding: Binding, item: StoredItem) -> ThreadItem | None:
    """A stored item as a model; see ``readable_item``."""
    return await with_attachments(binding, parse(item.data))


async def with_attachments(binding: Binding, item: JsonObject) -> ThreadItem | None:
    """An item as a model, its attachments with the metadata that no client is sent."""
    model = readable_item(item)
    if isinstance(model, UserMessageItem) and binding.store is not None:
        for place, attachment in enumerate(model.attachments):
            try:
                record = await binding.store.load_attachment(binding.owner, attachment.id)
            except NotFound:
                continue
            model.attachments[place] = attachment_model(record)
    return model


def _open(context: HostedContext) -> tuple[Binding, Store]:
    binding = binding_of(context)
    if binding.store is None:
        raise TypeError("There is no store in this context.")
    return binding, binding.store


def _order(order: str) -> Literal["asc", "desc"]:
    return "asc" if order == "asc" else "desc"
