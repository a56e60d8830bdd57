"""Attachments: their records, the limits on them, and how their bytes come to be trusted.

A record's metadata says where its bytes are: ``awaited``, ``receiving`` while they are kept, ``here``
from then on for good. Each step replaces the record only while it is what it was, so of two uploads
one is kept, and whatever deletes or takes the record meanwhile is noticed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from parlour.chat.links import FileLink, Links
from parlour.chat.names import clean_name
from parlour.chat.previews import MAX_IMAGE_BYTES, Previews
from parlour.chat.sniffing import HEAD, PLAIN_IMAGES, settle, sniff
from parlour.errors import (
    AttachmentNotFound,
    AttachmentTaken,
    BadRequest,
    BodyTooLarge,
    ParlourError,
    TooManyAttachments,
)
from parlour.files.base import Files, preview_of
from parlour.protocol import JsonObject, new_id
from parlour.stores.base import Store

_BYTES: Final = "parlour_bytes"
_SIZE: Final = "size"
_LONGEST_TYPE: Final = 255
_PIECE: Final = 64 * 1024

Bytes = Literal["awaited", "receiving", "here"]

log = logging.getLogger(__name__)


def public(record: JsonObject) -> JsonObject:
    """A record as a message shows it: metadata and upload instructions are nobody else's."""
    return {k: v for k, v in record.items() if k not in ("metadata", "upload_descriptor")}


class Received(Protocol):
    """A file that has arrived whole, and may still be refused."""

    @property
    def size(self) -> int | None: ...
    async def read(self, size: int = -1) -> bytes: ...
    async def seek(self, offset: int) -> None: ...


@dataclass(frozen=True, slots=True)
class View:
    """What an address of a file shows: the key of its bytes, how many, and as what."""

    key: str
    size: int
    media_type: str
    name: str
    inline: bool


class Attachments:
    """Makes, fills, checks and deletes attachments; every record belongs to an owner.

    ``max_uploads`` counts a caller's attachments that no message has taken, ``max_attachments``
    those of one message.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        *,
        secret: str,
        max_bytes: int = 25_000_000,
        max_uploads: int = 50,
        max_attachments: int = 10,
    ) -> None:
        self.files = files
        self.max_bytes = max_bytes
        self._max_uploads = max_uploads
        self._max_attachments = max_attachments
        self._store = store
        self._links = Links(secret)
        self._previews = Previews()
        self._undeleted: set[str] = set()

    # -- uploads ---------------------------------------------------------------------------------

    async def admit(self, owner: str) -> None:
        """Returns if the owner may have one more; ``TooManyAttachments`` if not."""
        if await self._store.count_untaken(owner) >= self._max_uploads:
            raise self._too_many()

    async def _enter(self, owner: str, record: JsonObject) -> None:
        """Keeps a new record, unless others were admitted at the same moment and are too many."""
        await self._store.save_attachment(owner, record)
        if await self._store.count_untaken(owner) > self._max_uploads:
            await self._store.delete_attachment(owner, record["id"])
            raise self._too_many()

    def _too_many(self) -> TooManyAttachments:
        return TooManyAttachments(
            f"{self._max_uploads} uploaded files wait to be sent already.",
            hint="Send or delete some first, or raise PARLOUR_MAX_UPLOADS.",
        )

    async def create(self, owner: str, given: JsonObject, base_url: str) -> JsonObject:
        """A record for bytes that are still to come; raises ``BadRequest`` when they are too many."""
        if not 0 < given["size"] <= self.max_bytes:
            raise BadRequest(
                f"The file has {given['size']} bytes; 1 to {self.max_bytes} are allowed.",
                hint="Send a smaller file, or raise PARLOUR_MAX_UPLOAD_BYTES.",
            )
        record = self._record(given["name"], given["mime_type"], "awaited", given["size"])
        self._show(record, owner, base_url, preview=given["mime_type"] in PLAIN_IMAGES)
        signature = self._links.sign(owner, record["id"], "up")
        record["upload_descriptor"] = {
            "url": f"{base_url}/uploads/{record['id']}?sig={signature}",
            "method": "PUT",
            "headers": {},
        }
        await self._enter(owner, record)
        return record

    async def upload(
        self, owner: str, name: str, claim: str, file: Received, base_url: str
    ) -> JsonObject:
        """A record and its bytes in one step; all or nothing."""
        record = self._record(name, await _kind(claim, file), "receiving", file.size or 0)
        await self._enter(owner, record)
        return await self._keep(owner, record, None, file, base_url)

    async def awaited(self, attachment_id: str, signature: str) -> tuple[FileLink, JsonObject]:
        """The record whose bytes a signed address takes; ``AttachmentTaken`` if it has them."""
        link = self._links.check(attachment_id, signature, "up")
        record = await self._store.load_attachment(link.owner, attachment_id)
        if _bytes(record) != "awaited":
            raise AttachmentTaken("The bytes of this attachment have arrived already.")
        return link, record

    async def fill(self, link: FileLink, record: JsonObject, file: Received) -> None:
        """Keeps the bytes of an awaited record; all or nothing."""
        announced = record["metadata"][_SIZE]
        if file.size != announced:
            kind = BodyTooLarge if (file.size or 0) > announced else BadRequest
            raise kind(
                f"{file.size} bytes came; {announced} were announced.",
                hint="Create a new attachment with the file's true size.",
            )
        mime_type = await _kind(record["mime_type"], file)
        base_url = record["upload_descriptor"]["url"].rpartition("/uploads/")[0]
        receiving = _with_bytes(record | {"mime_type": mime_type}, "receiving")
        if not await self._store.replace_attachment(link.owner, record, receiving):
            raise AttachmentTaken("This attachment has changed while its bytes came.")
        await self._keep(link.owner, receiving, record, file, base_url)

    async def _keep(
        self,
        owner: str,
        receiving: JsonObject,
        before: JsonObject | None,
        file: Received,
        base_url: str,
    ) -> JsonObject:
        try:
            preview = await self._preview(receiving, file)
            await file.seek(0)
            await self.files.save(receiving["id"], _pieces(file))
            if preview is not None:
                await self.files.save(preview_of(receiving["id"]), _whole(preview))
            here = _with_bytes(receiving, "here")
            here.pop("upload_descriptor", None)
            self._show(here, owner, base_url, preview=preview is not None)
            if not await self._store.replace_attachment(owner, receiving, here):
                raise AttachmentNotFound("This attachment was deleted while its bytes came.")
        except BaseException:
            await asyncio.shield(self._undo(owner, receiving, before))
            raise
        return here

    async def _undo(self, owner: str, receiving: JsonObject, before: JsonObject | None) -> None:
        """Leaves things as they were before bytes came that could not be kept."""
        await self.discard([receiving["id"]])
        try:
            if before is not None:
                await self._store.replace_attachment(owner, receiving, before)
            else:
                await self._store.delete_attachment(owner, receiving["id"])
        except ParlourError as error:
            log.info("an upload that failed left its record to the sweep: %s", error.message)

    async def _preview(self, record: JsonObject, file: Received) -> bytes | None:
        if record["mime_type"] not in PLAIN_IMAGES or (file.size or 0) > MAX_IMAGE_BYTES:
            return None
        await file.seek(0)
        return await self._previews.make(file.read)

    def _record(self, name: str, mime_type: str, where: Bytes, size: int) -> JsonObject:
        return {
            "id": new_id("attachment"),
            "name": clean_name(name),
            "mime_type": mime_type[:_LONGEST_TYPE],
            "metadata": {_BYTES: where, _SIZE: size},
        }

    def _show(self, record: JsonObject, owner: str, base_url: str, *, preview: bool) -> None:
        """An image is what has a preview; anything else is a file."""
        record["type"] = "image" if preview else "file"
        record.pop("preview_url", None)
        if preview:
            signature = self._links.sign(owner, record["id"], "view")
            record["preview_url"] = f"{base_url}/files/{record['id']}?preview=1&sig={signature}"

    # -- messages --------------------------------------------------------------------------------

    async def resolve(self, owner: str, ids: list[str], thread_id: str) -> list[JsonObject]:
        """The owner's records for a message of this thread, if it may have all of them.

        Raises ``TooManyAttachments``; ``AttachmentNotFound`` for one that is missing, somebody
        else's or not uploaded; ``AttachmentTaken`` for one that is in another thread.
        """
        if len(ids) > self._max_attachments:
            raise TooManyAttachments(
                f"The message has {len(ids)} attachments; {self._max_attachments} are allowed."
            )
        found = []
        for attachment_id in ids:
            record = await self._store.load_attachment(owner, attachment_id)
            if _bytes(record) not in ("here", None):
                raise AttachmentNotFound(
                    f"The bytes of {record['name']!r} have not arrived.",
                    hint="Upload the file before sending the message.",
                )
            if record.get("thread_id") not in (thread_id, None):
                raise AttachmentTaken(f"{record['name']!r} was sent in another thread.")
            found.append(record)
        return found

    # -- addresses -------------------------------------------------------------------------------

    def opened(self, attachment_id: str, signature: str) -> FileLink | None:
        """Whose file a signed address shows; None when the signature is not valid, or not any more."""
        try:
            return self._links.check(attachment_id, signature, "view")
        except AttachmentNotFound:
            return None

    async def view(self, owner: str, attachment_id: str, *, preview: bool) -> View:
        """What to send for an owner's file, or its preview; ``AttachmentNotFound`` if it is not there."""
        record = await self._store.load_attachment(owner, attachment_id)
        key = preview_of(attachment_id) if preview else attachment_id
        size = await self.files.size(key) if _bytes(record) == "here" else None
        if size is None:
            raise AttachmentNotFound("There are no bytes of this file here.")
        media_type = Previews.MEDIA_TYPE if preview else record["mime_type"]
        inline = preview or media_type in PLAIN_IMAGES
        return View(key, size, media_type, record["name"], inline)

    # -- deleting --------------------------------------------------------------------------------

    async def delete(self, owner: str, attachment_id: str) -> None:
        """Record and bytes, if they are the owner's."""
        await self._store.delete_attachment(owner, attachment_id)
        await self.discard([attachment_id])

    async def discard(self, ids: Iterable[str]) -> None:
        """Removes the bytes of records that are gone; what cannot be removed now, a sweep does."""
        for attachment_id in ids:
            try:
                await self.files.delete(attachment_id)
                self._undeleted.discard(attachment_id)
            except ParlourError as error:
                self._undeleted.add(attachment_id)
                log.warning("attachment %s is not deleted yet: %s", attachment_id, error.message)

    async def discard_late(self) -> None:
        """Tries again what could not be removed."""
        await self.discard(list(self._undeleted))


def _bytes(record: JsonObject) -> Bytes | None:
    """Where a record's bytes are; None for one whose bytes are kept elsewhere."""
    where: Bytes | None = record.get("metadata", {}).get(_BYTES)
    return where


def _with_bytes(record: JsonObject, where: Bytes) -> JsonObject:
    return record | {"metadata": record["metadata"] | {_BYTES: where}}


async def _kind(claim: str, file: Received) -> str:
    if not file.size:
        raise BadRequest("The file is empty.", hint="Send a file that has something in it.")
    await file.seek(0)
    return settle(claim, sniff(await file.read(HEAD)))


async def _pieces(file: Received) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data
