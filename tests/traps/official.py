"""OpenAI's own engine, wired as its guide shows it: one route, one store on an SQL database.

https://openai.github.io/chatkit-python/guides/respond-to-user-message
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import chatkit.store
from chatkit.agents import ThreadItemConverter
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    Page,
    ThreadItem,
    ThreadMetadata,
)
from pydantic import AnyUrl, TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

Context = dict[str, Any]

THREAD = TypeAdapter(ThreadMetadata)
ITEM: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)
ATTACHMENT: TypeAdapter[Attachment] = TypeAdapter(Attachment)
ROUND_TRIP = 0.004

SCHEMA = """
CREATE TABLE threads (id TEXT PRIMARY KEY, user_id TEXT, created_at REAL, data TEXT);
CREATE TABLE items (id TEXT, thread_id TEXT, user_id TEXT, created_at REAL, data TEXT);
CREATE TABLE attachments (id TEXT PRIMARY KEY, data TEXT);
"""
KEY = "CREATE UNIQUE INDEX IF NOT EXISTS items_by_id ON items (id)"


class OfficialStore(chatkit.store.Store[Context]):
    """The guide's store: a user in each statement on threads and items, pages by creation time.

    Attachments are found by their id alone, as in the SDK's sample. A statement waits half of its
    round trip to the database before and half after, unless a test takes ``round_trip`` away;
    ``aware`` gives times back as PostgreSQL does; ``upserts`` adds over what is there.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        if not self.fetch("SELECT 1 FROM sqlite_master"):
            self._database.executescript(SCHEMA)
        self.reset()

    def reset(self) -> None:
        """Forgets everything, and what tests have asked for."""
        self.round_trip, self.aware, self.upserts, self.writes = ROUND_TRIP, False, False, 0
        for table in ("threads", "items", "attachments"):
            self._database.execute(f"DELETE FROM {table}")
        self._database.execute(KEY)

    def appends(self) -> None:
        """Takes an id twice, as the lists of the SDK's samples do."""
        self._database.execute("DROP INDEX items_by_id")

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def fetch(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows, without waiting."""
        return self._database.execute(statement, values).fetchall()

    async def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows, after the way to the database and back."""
        if self.round_trip:
            await asyncio.sleep(self.round_trip / 2)
        rows = self.fetch(statement, *values)
        if self.round_trip:
            await asyncio.sleep(self.round_trip / 2)
        return rows

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        return cast(ThreadMetadata, await self._one(THREAD, "threads", thread_id, context))

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        self.writes += 1
        row = (thread.id, context["user_id"], thread.created_at.timestamp())
        kept = ThreadMetadata.model_validate(thread.model_dump(exclude={"items"}))
        data = kept.model_dump_json()
        await self.run("INSERT OR REPLACE INTO threads VALUES (?, ?, ?, ?)", *row, data)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Context
    ) -> Page[ThreadMetadata]:
        where, values = "user_id = ?", (context["user_id"],)
        return await self._page(THREAD, "threads", where, values, limit, after, order)

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        own = (thread_id, context["user_id"])
        await self.run("DELETE FROM items WHERE thread_id = ? AND user_id = ?", *own)
        await self.run("DELETE FROM threads WHERE id = ? AND user_id = ?", *own)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        where, values = "thread_id = ? AND user_id = ?", (thread_id, context["user_id"])
        return await self._page(ITEM, "items", where, values, limit, after, order)

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        return cast(ThreadItem, await self._one(ITEM, "items", item_id, context))

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self._put("INSERT OR REPLACE" if self.upserts else "INSERT", thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self._put("INSERT OR REPLACE", thread_id, item, context)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        own = (item_id, context["user_id"])
        await self.run("DELETE FROM items WHERE id = ? AND user_id = ?", *own)

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        data = attachment.model_dump_json()
        await self.run("INSERT OR REPLACE INTO attachments VALUES (?, ?)", attachment.id, data)

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        rows = await self.run("SELECT data FROM attachments WHERE id = ?", attachment_id)
        if not rows:
            raise NotFoundError(attachment_id)
        return ATTACHMENT.validate_json(rows[0][0])

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        await self.run("DELETE FROM attachments WHERE id = ?", attachment_id)

    async def _put(self, verb: str, thread_id: str, item: ThreadItem, context: Context) -> None:
        row = (item.id, thread_id, context["user_id"], item.created_at.timestamp())
        data = ITEM.dump_json(item).decode()
        await self.run(f"{verb} INTO items VALUES (?, ?, ?, ?, ?)", *row, data)

    async def _one(self, kind: TypeAdapter[Any], table: str, key: str, context: Context) -> Any:  # noqa: ANN401
        own = (key, context["user_id"])
        rows = await self.run(f"SELECT data FROM {table} WHERE id = ? AND user_id = ?", *own)
        if not rows:
            raise NotFoundError(key)
        return self._model(kind, rows[0][0])

    async def _page(
        self,
        kind: TypeAdapter[Any],
        table: str,
        where: str,
        values: tuple[object, ...],
        limit: int,
        after: str | None,
        order: str,
    ) -> Page[Any]:
        if after:
            sign = "<" if order == "desc" else ">"
            where += f" AND created_at {sign} (SELECT created_at FROM {table} WHERE id = ?)"
            values = (*values, after)
        statement = f"SELECT data FROM {table} WHERE {where} ORDER BY created_at {order} LIMIT ?"
        rows = await self.run(statement, *values, limit + 1)
        data = [self._model(kind, text) for (text,) in rows[:limit]]
        more = len(rows) > limit
        return Page(data=data, has_more=more, after=data[-1].id if more else None)

    def _model(self, kind: TypeAdapter[Any], text: str) -> Any:  # noqa: ANN401
        model = kind.validate_json(text)
        if self.aware:
            model.created_at = model.created_at.astimezone(UTC)
        return model


class OfficialFiles(AttachmentStore[Context]):
    """Announces uploads that never arrive."""

    async def create_attachment(
        self, input: AttachmentCreateParams, context: Context
    ) -> Attachment:
        address = AttachmentUploadDescriptor(url=AnyUrl("https://bucket.test/put"), method="PUT")
        return FileAttachment(
            id=self.generate_attachment_id(input.mime_type, context),
            name=input.name,
            mime_type=input.mime_type,
            upload_descriptor=address,
        )

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        pass


def official_app(server: ChatKitServer[Context]) -> Starlette:
    """The guide's route; the header ``x-user`` says who asks."""

    async def chatkit_endpoint(request: Request) -> Response:
        context = {"user_id": request.headers["x-user"]}
        result = await server.process(await request.body(), context)
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    return Starlette(routes=[Route("/chatkit", chatkit_endpoint, methods=["POST"])])


@contextmanager
def as_installed() -> Iterator[None]:
    """The SDK's converter as it comes, since hosting a server mends the one that all share."""
    found = find_spec("chatkit.agents")
    assert found is not None
    assert found.origin is not None
    spec = spec_from_file_location("chatkit.agents_as_installed", found.origin)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    present = ThreadItemConverter.assistant_message_to_input
    installed = module.ThreadItemConverter.assistant_message_to_input
    ThreadItemConverter.assistant_message_to_input = installed  # type: ignore[method-assign]
    try:
        yield
    finally:
        ThreadItemConverter.assistant_message_to_input = present  # type: ignore[method-assign]
