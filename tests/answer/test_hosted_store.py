"""The store that hosted code is given: the SDK's promises, our isolation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest
from chatkit.agents import AgentContext
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    Attachment,
    ClosedStatus,
    FileAttachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    WidgetItem,
)
from chatkit.widgets import Card, DynamicWidgetRoot
from pydantic import BaseModel, ConfigDict

from parlour.answer.hosted import HostedServer
from parlour.answer.hosted_context import HostedContext
from parlour.answer.hosted_store import HostedStore, host_store
from parlour.protocol import JsonObject, new_id, now, parse, timestamp
from parlour.stores.base import Thread
from parlour.stores.memory import MemoryStore
from tests.answer.conversation import OWNER, context
from tests.hosted_servers.scripted import Context, ScriptedServer, message


class Desk:
    """A thread of the owner's with the hosted store over it."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.store = HostedStore()
        self.thread_id = new_id("thread")

    def ctx(self, owner: str = OWNER) -> HostedContext:
        return HostedContext(context(owner), self.inner)

    async def raw(self, item: JsonObject) -> None:
        body = {"thread_id": self.thread_id, "created_at": timestamp(), **item}
        await self.inner.add_item(OWNER, self.thread_id, body)


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.inner.add_thread(OWNER, Thread(desk.thread_id, now(), title="Mine"))
    return desk


async def test_nobody_reaches_what_is_not_theirs(desk: Desk) -> None:
    mallory = desk.ctx("mallory")
    item = message(await desk.store.load_thread(desk.thread_id, desk.ctx()), "msg_1", "secret")
    await desk.store.add_thread_item(desk.thread_id, item, desk.ctx())
    await desk.store.save_attachment(
        FileAttachment(id="atc_1", name="a", mime_type="text/plain"), desk.ctx()
    )
    for attempt in (
        desk.store.load_thread(desk.thread_id, mallory),
        desk.store.load_thread_items(desk.thread_id, None, 10, "asc", mallory),
        desk.store.load_item(desk.thread_id, "msg_1", mallory),
        desk.store.save_item(desk.thread_id, item, mallory),
        desk.store.delete_thread(desk.thread_id, mallory),
        desk.store.load_attachment("atc_1", mallory),
        desk.store.save_attachment(
            FileAttachment(id="atc_1", name="mine now", mime_type="text/plain"), mallory
        ),
        desk.store.delete_attachment("atc_1", mallory),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert (await desk.store.load_threads(10, None, "desc", mallory)).data == []
    assert (await desk.store.load_attachment("atc_1", desk.ctx())).name == "a"


@pytest.mark.parametrize("foreign", [None, {}, {"user_id": OWNER}, object()])
async def test_a_context_that_is_not_ours_opens_nothing(desk: Desk, foreign: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match="context"):
        await desk.store.load_thread(desk.thread_id, foreign)


async def test_a_copy_that_pydantic_makes_of_the_context_still_works(desk: Desk) -> None:
    class Strict(AgentContext[dict[str, Any]]):
        request_context: dict[str, Any]

    ctx = desk.ctx()
    thread = await desk.store.load_thread(desk.thread_id, ctx)
    made = Strict(thread=thread, store=desk.store, request_context=ctx)
    copied: Any = made.request_context
    assert (await desk.store.load_thread(desk.thread_id, copied)).title == "Mine"
    assert type(copied) is dict
    assert made.thread is thread


async def test_ids_have_the_sdks_prefixes_and_128_bits(desk: Desk) -> None:
    thread = await desk.store.load_thread(desk.thread_id, desk.ctx())
    kinds = {"message": "msg_", "tool_call": "tc_", "workflow": "wf_", "task": "tsk_"}
    for kind, prefix in kinds.items():
        item_id = desk.store.generate_item_id(kind, thread, desk.ctx())  # type: ignore[arg-type]
        assert item_id.startswith(prefix)
        assert len(item_id) == len(prefix) + 32
    assert desk.store.generate_thread_id(desk.ctx()).startswith("thr_")


async def test_saving_an_old_copy_of_a_thread_undoes_nothing(desk: Desk) -> None:
    ctx = desk.ctx()
    thread = await desk.store.load_thread(desk.thread_id, ctx)
    await desk.inner.update_thread(OWNER, desk.thread_id, {"title": "Renamed"})
    thread.status = ClosedStatus(reason="done")
    await desk.store.save_thread(thread, ctx)
    kept = await desk.inner.load_thread(OWNER, desk.thread_id)
    assert (kept.title, kept.status) == ("Renamed", {"type": "closed", "reason": "done"})


async def test_a_thread_that_is_not_there_yet_is_added(desk: Desk) -> None:
    ctx = desk.ctx()
    thread_id = desk.store.generate_thread_id(ctx)
    made = ThreadMetadata(id=thread_id, created_at=datetime.now(), metadata={"a": [1]})
    await desk.store.save_thread(made, ctx)
    assert await desk.store.load_thread(thread_id, ctx) == made
    assert (await desk.inner.load_thread(OWNER, thread_id)).created_at.tzinfo is not None


async def test_items_come_back_as_they_were_added_hidden_ones_too(desk: Desk) -> None:
    ctx = desk.ctx()
    thread = await desk.store.load_thread(desk.thread_id, ctx)
    for number in range(5):
        await desk.store.add_thread_item(thread.id, message(thread, f"msg_{number}", "x"), ctx)
    await desk.raw({"id": "hid", "type": "hidden_context_item", "content": {"any": "thing"}})
    first = await desk.store.load_thread_items(thread.id, None, 4, "desc", ctx)
    assert [item.id for item in first.data] == ["hid", "msg_4", "msg_3", "msg_2"]
    rest = await desk.store.load_thread_items(thread.id, first.after, 4, "desc", ctx)
    assert [item.id for item in rest.data] == ["msg_1", "msg_0"]
    assert not rest.has_more


async def test_stored_times_can_be_subtracted_from_the_sdks_own(desk: Desk) -> None:
    ctx = desk.ctx()
    thread = await desk.store.load_thread(desk.thread_id, ctx)
    await desk.store.add_thread_item(thread.id, message(thread, "msg_1", "x"), ctx)
    item = await desk.store.load_item(thread.id, "msg_1", ctx)
    assert timedelta(0) <= datetime.now() - item.created_at < timedelta(minutes=1)


async def test_an_item_this_sdk_cannot_read_hides_no_other(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    ctx = desk.ctx()
    await desk.raw({"id": "odd", "type": "hologram"})
    thread = await desk.store.load_thread(desk.thread_id, ctx)
    await desk.store.add_thread_item(thread.id, message(thread, "msg_1", "x"), ctx)
    page = await desk.store.load_thread_items(thread.id, None, 10, "asc", ctx)
    assert [item.id for item in page.data] == ["msg_1"]
    assert "odd" in caplog.text


WIDGET: JsonObject = {
    "type": "Card",
    "border": {"size": 2},
    "children": [
        {"type": "Text", "id": "t", "value": "hello", "sparkle": True},
        {"type": "Table", "children": [{"type": "Table.Row", "children": []}]},
        {"type": "Button", "label": "Go", "onClickAction": {"type": "go"}},
    ],
}


async def test_a_widget_keeps_every_property_through_the_server_and_back(desk: Desk) -> None:
    ctx = desk.ctx()
    await desk.raw({"id": "msg_w", "type": "widget", "widget": WIDGET})
    item = await desk.store.load_item(desk.thread_id, "msg_w", ctx)
    assert isinstance(item, WidgetItem)
    item.copy_text = "hello"
    await desk.store.save_item(desk.thread_id, item, ctx)
    stored = await desk.inner.load_item(OWNER, desk.thread_id, "msg_w")
    assert parse(stored.data)["widget"] == WIDGET
    assert isinstance(item.widget, DynamicWidgetRoot)


async def test_a_widget_of_known_properties_is_of_the_strict_class(desk: Desk) -> None:
    known = {"type": "Card", "children": [{"type": "Text", "value": "hello"}]}
    await desk.raw({"id": "msg_w", "type": "widget", "widget": known})
    item = await desk.store.load_item(desk.thread_id, "msg_w", desk.ctx())
    assert isinstance(item, WidgetItem)
    assert isinstance(item.widget, Card)


async def test_an_attachments_record_keeps_what_only_ours_says(desk: Desk) -> None:
    ctx = desk.ctx()
    record = {
        "id": "atc_1",
        "type": "file",
        "name": "a",
        "mime_type": "text/plain",
        "size": 3,
        "upload_descriptor": {"url": "http://test/uploads/atc_1", "method": "PUT", "headers": {}},
    }
    await desk.inner.save_attachment(OWNER, record)
    attachment = await desk.store.load_attachment("atc_1", ctx)
    attachment.metadata = {"pages": 1}
    attachment.upload_descriptor = None
    await desk.store.save_attachment(attachment, ctx)
    kept = await desk.inner.load_attachment(OWNER, "atc_1")
    assert (kept["size"], kept["metadata"]) == (3, {"pages": 1})
    assert "upload_descriptor" not in kept


class OwnStore(Store[Context]):
    """A store as people write one, with more in it than the SDK asks for."""

    def __init__(self) -> None:
        self.articles = ["first"]

    def article(self, number: int) -> str:
        return self.articles[number]

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        raise AssertionError("our store answers")

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        raise AssertionError("our store answers")

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        raise AssertionError("our store answers")

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        raise AssertionError("our store answers")

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        raise AssertionError("our store answers")

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        raise AssertionError("our store answers")

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Context
    ) -> Page[ThreadMetadata]:
        raise AssertionError("our store answers")

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        raise AssertionError("our store answers")

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        raise AssertionError("our store answers")

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        raise AssertionError("our store answers")

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        raise AssertionError("our store answers")

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        raise AssertionError("our store answers")


class TypedContext(BaseModel):
    """As the official samples declare it: the store's own class is checked."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    store: Annotated[OwnStore, "checked"]


async def test_a_servers_own_store_gives_way_and_stays_useful(desk: Desk) -> None:
    server = ScriptedServer(lambda *_: _never())
    own = OwnStore()
    server.store = own
    server.archive = own  # type: ignore[attr-defined]
    HostedServer(server)
    assert server.store is not own
    assert vars(server)["archive"] is server.store
    assert TypedContext(store=server.store).store.article(0) == "first"
    assert (await server.store.load_thread(desk.thread_id, desk.ctx())).title == "Mine"
    assert host_store(server.store) is server.store


async def _never() -> Any:  # noqa: ANN401
    raise AssertionError
    yield
