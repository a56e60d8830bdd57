"""Threads that nobody has used for long, on their way to a file and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from parlour.archive.file import Entry, Part, Writer, check, parts
from parlour.errors import AttachmentNotFound, NotFound, ThreadBusy, ThreadNotFound
from parlour.files.base import Files
from parlour.protocol import JsonObject, parse
from parlour.stores.base import Store, StoredItem, Thread

BATCH: Final = 500
PAGE: Final = 100
PART_CHARS: Final = 1_000_000
"""A thread's line ends after about so much, and goes on in the next one: memory stays bounded."""
FILE_THREADS: Final = 10_000
"""Then a file is finished and its threads are deleted, so that a killed run has done something."""

RESTORING: Final = {"type": "locked", "reason": "This conversation is being restored."}

Told = Callable[[str, int, int | None], None]
"""What is being done, how much of it is done, and of how much, where that is known."""


@dataclass(slots=True)
class Archived:
    """What a run has done; ``busy`` threads were used in the meantime and stay in the database."""

    files: list[Path] = field(default_factory=list)
    threads: int = 0
    busy: int = 0


@dataclass(slots=True)
class Restored:
    """What a run has done; ``kept`` threads have changed since, ``taken`` ids are somebody else's."""

    threads: int = 0
    items: int = 0
    attachments: int = 0
    there: int = 0
    kept: int = 0
    taken: int = 0

    @property
    def looked_at(self) -> int:
        return self.threads + self.there + self.kept + self.taken


def _silent(doing: str, done: int, total: int | None) -> None:
    return None


# -- out -----------------------------------------------------------------------------------------


async def count_idle(store: Store, before: datetime, told: Told = _silent) -> int:
    """How many threads nothing was written to since ``before``."""
    count = 0
    async for _ in _idle(store, before):
        count += 1
        told("Looking for old conversations", count, None)
    return count


async def archive(
    store: Store,
    files: Files,
    folder: Path,
    before: datetime,
    told: Told = _silent,
    *,
    per_file: int = FILE_THREADS,
) -> Archived:
    """Moves every thread that nothing was written to since ``before`` into files in ``folder``.

    A thread is deleted only when the file that has it is on the disk and was read back, and only if
    nothing was written to it in the meantime. Killed at any moment, each thread is in the database,
    or in a finished file, or in both. ``OSError`` when a file cannot be written.
    """
    done = Archived()
    writer: Writer | None = None
    try:
        async for owner, thread_id in _idle(store, before):
            writer = writer or Writer(folder, before)
            try:
                async for part in _read(store, owner, thread_id):
                    writer.add(part)
            except NotFound:
                writer.dropped.append(thread_id)
            told("Archiving", done.threads + writer.head.threads, None)
            if writer.head.threads >= per_file:
                await _hand_over(store, files, writer, done, told)
                writer = None
        if writer is not None:
            await _hand_over(store, files, writer, done, told)
    finally:
        if writer is not None:
            writer.discard()
    return done


async def _idle(store: Store, before: datetime) -> AsyncIterator[tuple[str, str]]:
    last: tuple[str, str] | None = None
    while batch := await store.idle_threads(before, limit=BATCH, after=last):
        for last in batch:
            yield last


async def _read(store: Store, owner: str, thread_id: str) -> AsyncIterator[Part]:
    """A thread in parts, the last of which has no ``more``."""
    part = Part(owner, thread_id, await store.load_thread(owner, thread_id))
    size, after, more = 0, None, True
    while more:
        page = await store.list_items(
            owner, thread_id, limit=PAGE, after=after, order="asc", hidden=True
        )
        more, after = page.has_more, page.after
        for stored in page.data:
            if size > PART_CHARS:
                part.more = True
                yield part
                part, size = Part(owner, thread_id), 0
            part.items.append(Entry(msgspec.Raw(stored.data.encode()), stored.feedback))
            part.attachments += await _attachments(store, owner, stored)
            size += len(stored.data)
    yield part


async def _attachments(store: Store, owner: str, stored: StoredItem) -> list[JsonObject]:
    if stored.type != "user_message":
        return []
    found = []
    for shown in parse(stored.data).get("attachments") or ():
        try:
            found.append(await store.load_attachment(owner, shown["id"]))
        except AttachmentNotFound:
            continue
    return found


async def _hand_over(
    store: Store, files: Files, writer: Writer, done: Archived, told: Told
) -> None:
    """Finishes a file, and deletes what is in it from the database."""
    total = writer.head.threads
    path = writer.finish()
    done.files.append(path)
    looked = 0
    kept: set[str] = set()
    for part in parts(path):
        kept |= {record["id"] for record in part.attachments}
        if part.more or part.id in writer.dropped:
            continue
        try:
            gone = await store.delete_thread(part.owner, part.id, idle_since=writer.head.idle_since)
            # Files that no message shows are in no archive: nobody would ever ask for them again.
            for attachment_id in set(gone) - kept:
                await files.delete(attachment_id)
            done.threads += 1
        except ThreadBusy:
            done.busy += 1
        except ThreadNotFound:
            pass
        kept.clear()
        looked += 1
        told("Deleting what is archived", looked, total)


# -- back ----------------------------------------------------------------------------------------


async def restore(store: Store, path: Path, told: Told = _silent) -> Restored:
    """Puts back every thread of an archive; ``ArchiveDamaged``, and nothing is written, if it cannot
    be trusted.

    A thread that is in the database is completed if it is the beginning of the archived one, and is
    otherwise left as it is. Until it is whole it is locked, so that nobody writes into its middle.
    """
    head, dropped = check(path)
    done = Restored()
    thread: _Returning | None = None
    for part in parts(path):
        if part.id in dropped:
            continue
        if part.thread is not None:
            thread = _Returning(store, part.owner, part.thread, done)
            await thread.begin()
        if thread is not None:
            await thread.take(part)
            if not part.more:
                await thread.end()
                told("Restoring", done.looked_at, head.threads)
    return done


class _Returning:
    """One thread on its way back, part by part."""

    def __init__(self, store: Store, owner: str, thread: Thread, done: Restored) -> None:
        self._store = store
        self._owner = owner
        self._thread = thread
        self._done = done
        self._state: Literal["writing", "comparing", "kept", "taken"] = "writing"
        self._present: AsyncIterator[str] | None = None
        self._status = thread.status

    async def begin(self) -> None:
        owner, thread = self._owner, self._thread
        try:
            present = await self._store.load_thread(owner, thread.id)
        except ThreadNotFound:
            try:
                await self._store.add_thread(owner, replace(thread, status=RESTORING))
            except ThreadNotFound:
                self._state = "taken"
            return
        if present.status != RESTORING:  # else an earlier run has left it half done
            self._state, self._status = "comparing", present.status
            self._present = _ids(self._store, owner, thread.id)

    async def take(self, part: Part) -> None:
        thumbs: dict[str, list[str]] = {}
        for entry in part.items:
            item = parse(bytes(entry.item))
            if await self._has(item["id"]):
                continue
            if self._state != "writing":
                return
            await self._store.add_item(self._owner, self._thread.id, item)
            self._done.items += 1
            if entry.feedback is not None:
                thumbs.setdefault(entry.feedback, []).append(item["id"])
        if self._state == "writing":
            for kind, item_ids in thumbs.items():
                await self._store.save_feedback(self._owner, self._thread.id, item_ids, kind)
            for record in part.attachments:
                await self._attach(record)

    async def end(self) -> None:
        if self._state == "taken":
            self._done.taken += 1
        elif self._state == "kept":
            self._done.kept += 1
        elif self._state == "comparing":
            self._done.there += 1
        else:
            changes = {"status": self._status}
            await self._store.update_thread(self._owner, self._thread.id, changes)
            self._done.threads += 1

    async def _has(self, item_id: str) -> bool:
        """Whether the thread in the database goes on with this item; from its end on it is written."""
        if self._state != "comparing" or self._present is None:
            return False
        present = await anext(self._present, None)
        if present == item_id:
            return True
        if present is None:
            changes: JsonObject = {"status": RESTORING}
            await self._store.update_thread(self._owner, self._thread.id, changes)
            self._state = "writing"
        else:
            self._state = "kept"
        return False

    async def _attach(self, record: JsonObject) -> None:
        """Puts a record back that is not there; an id that somebody else has now stays theirs."""
        try:
            await self._store.load_attachment(self._owner, record["id"])
        except AttachmentNotFound:
            with suppress(AttachmentNotFound):
                await self._store.save_attachment(self._owner, record)
                self._done.attachments += 1


async def _ids(store: Store, owner: str, thread_id: str) -> AsyncIterator[str]:
    after, more = None, True
    while more:
        page = await store.list_items(
            owner, thread_id, limit=PAGE, after=after, order="asc", hidden=True
        )
        for stored in page.data:
            yield stored.id
        more, after = page.has_more, page.after
