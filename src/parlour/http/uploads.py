"""Attachment bytes: up in one step or two, down by signed addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from parlour.chat.attachments import Attachments
from parlour.errors import AttachmentNotFound, BadRequest, BodyTooLarge
from parlour.http.edge import Door, remember
from parlour.protocol import encode
from parlour.stores.base import Store

_PIECE: Final = 64 * 1024
_INLINE: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True, slots=True)
class UploadRoutes:
    """``POST /uploads``, ``PUT|POST /uploads/{id}`` and ``GET /files/{id}``."""

    attachments: Attachments
    store: Store
    door: Door

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/uploads", self.direct, methods=["POST"])
        router.add_api_route("/uploads/{attachment_id}", self.second_phase, methods=["PUT", "POST"])
        router.add_api_route("/files/{attachment_id}", self.view, methods=["GET"])
        return router

    async def direct(self, request: Request) -> Response:
        """Multipart field ``file``; the attachment's JSON comes back."""
        caller, grant = await self.door.caller(request)
        context = self.door.context(request, caller)
        async with self._multipart_file(request) as file:
            attachment = self.attachments.record(
                caller.owner,
                file.filename or "file",
                file.content_type or "application/octet-stream",
                context.base_url,
            )
            await self.attachments.files.save(attachment["id"], self._pieces(file))
        async with self._kept_with_its_record(attachment["id"]):
            await self.store.save_attachment(caller.owner, attachment)
        response = Response(encode(attachment), media_type="application/json")
        remember(response, grant, request)
        return response

    async def second_phase(self, request: Request, attachment_id: str, sig: str = "") -> Response:
        """The bytes of an announced attachment, raw or as multipart field ``file``."""
        link = self.attachments.check(attachment_id, sig, "up")
        await self.store.load_attachment(link.owner, attachment_id)
        if request.headers.get("content-type", "").startswith("multipart/"):
            async with self._multipart_file(request) as file:
                await self.attachments.files.save(attachment_id, self._pieces(file))
        else:
            await self.attachments.files.save(attachment_id, self._bounded(request.stream()))
        async with self._kept_with_its_record(attachment_id):
            await self.store.load_attachment(link.owner, attachment_id)
        return Response(b"{}", media_type="application/json")

    async def view(self, attachment_id: str, sig: str = "") -> Response:
        """The bytes; shown in place only for plain images, downloaded otherwise."""
        link = self.attachments.check(attachment_id, sig, "view")
        record = await self.store.load_attachment(link.owner, attachment_id)
        if await self.attachments.files.size(attachment_id) is None:
            raise AttachmentNotFound("The bytes of this file have not arrived.")
        inline = record["mime_type"] in _INLINE
        return StreamingResponse(
            self.attachments.files.load(attachment_id),
            media_type=record["mime_type"] if inline else "application/octet-stream",
            headers={
                "content-disposition": "inline" if inline else "attachment",
                "content-security-policy": "default-src 'none'; sandbox",
                "x-content-type-options": "nosniff",
                "cache-control": "private, max-age=3600",
            },
        )

    @asynccontextmanager
    async def _kept_with_its_record(self, attachment_id: str) -> AsyncIterator[None]:
        """Deletes the bytes when the record cannot be kept, or was deleted in the meantime."""
        try:
            yield
        except BaseException:
            await self.attachments.files.delete(attachment_id)
            raise

    @asynccontextmanager
    async def _multipart_file(self, request: Request) -> AsyncIterator[UploadFile]:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.attachments.max_bytes + _PIECE:
            raise BodyTooLarge(
                f"The upload has {declared} bytes; {self.attachments.max_bytes} are allowed.",
                hint="Send a smaller file, or raise PARLOUR_MAX_UPLOAD_BYTES.",
            )
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise BadRequest("There is no file.", hint="Send it as the multipart field 'file'.")
            yield file

    async def _pieces(self, file: UploadFile) -> AsyncIterator[bytes]:
        async def read() -> AsyncIterator[bytes]:
            while piece := await file.read(_PIECE):
                yield piece

        async for piece in self._bounded(read()):
            yield piece

    async def _bounded(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > self.attachments.max_bytes:
                raise BodyTooLarge(
                    f"The file has more than {self.attachments.max_bytes} bytes.",
                    hint="Send a smaller file, or raise PARLOUR_MAX_UPLOAD_BYTES.",
                )
            yield chunk
