"""Attachment bytes: up in one step or two, down by signed addresses or to their owner."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, Final, cast
from urllib.parse import quote

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from parlour.chat.attachments import Attachments
from parlour.chat.sniffing import UNKNOWN
from parlour.errors import AttachmentNotFound, BadRequest, BodyTooLarge, Unauthorized, Unavailable
from parlour.http.edge import Door, remember
from parlour.protocol import encode

_FORM: Final = 64 * 1024
"""What a form may add to a file's bytes."""


@dataclass(frozen=True, slots=True)
class UploadRoutes:
    """``POST /uploads``, ``PUT|POST /uploads/{id}`` and ``GET /files/{id}``.

    A file is received whole, into a temporary one, before anything is kept: one that breaks off
    leaves nothing behind.
    """

    attachments: Attachments
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
        await self.attachments.admit(caller.owner)
        async with _form_file(request, self.attachments.max_bytes) as file:
            name, claim = file.filename or "", file.content_type or UNKNOWN
            record = await self.attachments.upload(
                caller.owner, name, claim, file, context.base_url
            )
        shown = {name: value for name, value in record.items() if name != "metadata"}
        response = Response(encode(shown), media_type="application/json")
        remember(response, grant, request)
        return response

    async def second_phase(self, request: Request, attachment_id: str, sig: str = "") -> Response:
        """The bytes of an announced attachment, raw or as multipart field ``file``."""
        link, record = await self.attachments.awaited(attachment_id, sig)
        is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
        receive = _form_file if is_form else _raw_file
        async with receive(request, record["metadata"]["size"]) as file:
            await self.attachments.fill(link, record, file)
        return Response(b"{}", media_type="application/json")

    async def view(
        self, request: Request, attachment_id: str, sig: str = "", preview: bool = False
    ) -> Response:
        """The bytes, for who has a signed address or is the owner.

        Previews and plain images are shown in place; everything else is downloaded.
        """
        link = self.attachments.opened(attachment_id, sig)
        owner = link.owner if link else await self._owner(request)
        file = await self.attachments.view(owner, attachment_id, preview=preview)
        download = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
        return StreamingResponse(
            self.attachments.files.load(file.key),
            media_type=file.media_type if file.inline else UNKNOWN,
            headers={
                "content-length": str(file.size),
                "content-disposition": "inline" if file.inline else download,
                "content-security-policy": "default-src 'none'; sandbox",
                "x-content-type-options": "nosniff",
                "cache-control": "private, max-age=3600",
            },
        )

    async def _owner(self, request: Request) -> str:
        with suppress(Unauthorized):
            caller, newcomer = await self.door.caller(request)
            if newcomer is None:
                return caller.owner
        raise AttachmentNotFound(
            "This address is not valid, or not any more.",
            hint="Load the thread it is in again; its owner's own credentials open it too.",
        )


@asynccontextmanager
async def _form_file(request: Request, limit: int) -> AsyncIterator[UploadFile]:
    _refuse_declared(request, limit + _FORM, limit)
    body = _bounded(request, limit + _FORM, limit)
    try:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise MultiPartException("This is not a form.")
        parser = MultiPartParser(request.headers, body, max_files=1, max_fields=10)
        form = await parser.parse()
    except MultiPartException as wrong:
        raise BadRequest(wrong.message, hint="Send it as the multipart field 'file'.") from None
    except OSError as problem:
        raise _no_room(problem) from problem
    finally:
        await body.aclose()
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequest("There is no file.", hint="Send it as the multipart field 'file'.")
        if (file.size or 0) > limit:
            raise _too_large(limit)
        yield file
    finally:
        await form.close()


@asynccontextmanager
async def _raw_file(request: Request, limit: int) -> AsyncIterator[UploadFile]:
    _refuse_declared(request, limit, limit)
    spool = SpooledTemporaryFile(max_size=MultiPartParser.spool_max_size)  # noqa: SIM115
    file = UploadFile(cast(Any, spool), size=0)
    body = _bounded(request, limit, limit)
    try:
        try:
            async for chunk in body:
                await file.write(chunk)
        except OSError as problem:
            raise _no_room(problem) from problem
        yield file
    finally:
        await body.aclose()
        await file.close()


def _refuse_declared(request: Request, most: int, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(limit)


async def _bounded(request: Request, most: int, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(limit)
        yield chunk


def _no_room(problem: OSError) -> Unavailable:
    return Unavailable(
        f"The upload cannot be received: {problem.strerror}.",
        hint="Check that the folder for temporary files, TMPDIR, has room.",
    )


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The file has more than the {limit} bytes that are allowed for it.",
        hint="Announce its true size, send a smaller file, or raise PARLOUR_MAX_UPLOAD_BYTES.",
    )
