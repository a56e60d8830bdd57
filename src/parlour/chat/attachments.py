"""Attachments: their records, and the signed addresses their bytes travel by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

from parlour.errors import AttachmentNotFound, BadRequest
from parlour.files.base import Files
from parlour.protocol import JsonObject, new_id
from parlour.stores.base import Store

UPLOAD_SECONDS = 3600
VIEW_SECONDS = 30 * 24 * 3600
_AWAITED = "parlour_bytes"
"""In a record's metadata: the bytes are to come to our own files."""


def public(record: JsonObject) -> JsonObject:
    """A record as a message shows it: metadata and upload instructions are nobody else's."""
    return {k: v for k, v in record.items() if k not in ("metadata", "upload_descriptor")}


@dataclass(frozen=True, slots=True)
class FileLink:
    """What a signed address allows: one file of one owner."""

    owner: str
    attachment_id: str


class Attachments:
    """Makes, signs and checks attachments; every record belongs to an owner."""

    def __init__(self, store: Store, files: Files, *, secret: str, max_bytes: int) -> None:
        self.files = files
        self.max_bytes = max_bytes
        self._store = store
        oldest_first = secret.replace(",", " ").split()[::-1]
        self._signer = URLSafeTimedSerializer(oldest_first, salt="parlour.files")

    async def create(self, owner: str, given: JsonObject, base_url: str) -> JsonObject:
        """A record for bytes that are still to come; raises ``BadRequest`` when they are too many."""
        if not 0 <= given["size"] <= self.max_bytes:
            raise BadRequest(
                f"The file has {given['size']} bytes; {self.max_bytes} are allowed.",
                hint="Send a smaller file, or raise PARLOUR_MAX_UPLOAD_BYTES.",
            )
        attachment = self.record(owner, given["name"], given["mime_type"], base_url)
        attachment["metadata"] = {_AWAITED: True}
        attachment["upload_descriptor"] = {
            "url": f"{base_url}/uploads/{attachment['id']}?sig={self._sign(owner, attachment, 'up')}",
            "method": "PUT",
            "headers": {},
        }
        await self._store.save_attachment(owner, attachment)
        return attachment

    def record(self, owner: str, name: str, mime_type: str, base_url: str) -> JsonObject:
        """A new record that is not stored yet."""
        attachment: JsonObject = {"id": new_id("attachment"), "name": name, "mime_type": mime_type}
        if mime_type.startswith("image/"):
            view = self._sign(owner, attachment, "view")
            attachment["type"] = "image"
            attachment["preview_url"] = f"{base_url}/files/{attachment['id']}?sig={view}"
        else:
            attachment["type"] = "file"
        return attachment

    def check(self, attachment_id: str, signature: str, use: str) -> FileLink:
        """The file a signed address opens for ``up`` or ``view``; ``AttachmentNotFound`` if forged."""
        age = UPLOAD_SECONDS if use == "up" else VIEW_SECONDS
        try:
            signed: Any = self._signer.loads(signature, max_age=age)
        except BadSignature:
            raise AttachmentNotFound("This address is not valid, or not any more.") from None
        owner, signed_id, signed_use = signed
        if (signed_id, signed_use) != (attachment_id, use):
            raise AttachmentNotFound("This address is for another file.")
        return FileLink(owner, attachment_id)

    async def resolve(self, owner: str, ids: list[str]) -> list[JsonObject]:
        """The owner's records of files whose bytes have arrived, or that are kept elsewhere."""
        found = []
        for attachment_id in ids:
            record = await self._store.load_attachment(owner, attachment_id)
            awaited = record.get("metadata", {}).get(_AWAITED)
            if awaited and await self.files.size(attachment_id) is None:
                raise AttachmentNotFound(
                    f"The bytes of {record['name']!r} have not arrived.",
                    hint="Upload the file before sending the message.",
                )
            found.append(record)
        return found

    async def delete(self, owner: str, attachment_id: str) -> None:
        """Record and bytes, if they are the owner's."""
        await self._store.delete_attachment(owner, attachment_id)
        await self.files.delete(attachment_id)

    def _sign(self, owner: str, attachment: JsonObject, use: str) -> str:
        signed = self._signer.dumps([owner, attachment["id"], use])
        return signed if isinstance(signed, str) else signed.decode("ascii")
