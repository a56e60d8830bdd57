"""A hosted server's events become a durable, isolated conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chatkit.errors import CustomStreamError, ErrorCode, StreamError
from chatkit.server import ChatKitServer
from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    AudioInput,
    ClientToolCallItem,
    FeedbackKind,
    FileAttachment,
    HiddenContextItem,
    LockedStatus,
    NoticeEvent,
    ProgressUpdateEvent,
    StreamOptions,
    Thread,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    ThreadUpdatedEvent,
    TranscriptionResult,
    UserMessageItem,
)
from chatkit.types import Page as ItemPage
from pydantic import AnyUrl

from parlour.answer.hosted import HostedServer
from parlour.errors import Unsupported
from parlour.protocol import JsonObject
from parlour.stores.sql import SqlStore
from tests.answer.conversation import context, conversation
from tests.hosted_servers.scripted import Context, ScriptedServer, delta, message, spoken
from tests.hosted_servers.widgets import WidgetServer

Events = AsyncIterator[ThreadStreamEvent]
FAKE = "__fake_id__"


def texts(items: list[JsonObject]) -> list[str]:
    """What user and assistant messages say."""
    return [
        "".join(part["text"] for part in item["content"]) for item in items if "content" in item
    ]


async def test_an_answer_is_streamed_and_stored_as_the_sdk_words_it(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        assert asked is not None
        yield ProgressUpdateEvent(text="Thinking")
        item_id = server.store.generate_item_id("message", thread, ctx)
        async for event in spoken(thread, item_id, "You said ", asked.content[0].text, "."):
            yield event

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("hello")
        assert chat.types()[:4] == [
            "thread.created",
            "thread.item.done",
            "stream_options",
            "progress_update",
        ]
        assert chat.types()[-1] == "thread.item.done"
        assert texts(chat.shown()) == ["hello", "You said hello."]
        assert await chat.items() == chat.shown()


async def test_times_on_the_wire_are_aware_utc(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        assert thread.created_at.tzinfo is None
        assert abs((datetime.now() - thread.created_at).total_seconds()) < 60
        yield ThreadItemDoneEvent(item=message(thread, "msg_naive", "naive"))
        aware = message(thread, "msg_aware", "aware")
        aware.created_at = datetime.now(UTC)
        yield ThreadItemDoneEvent(item=aware)

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("hello")
        for item in await chat.items():
            moment = datetime.fromisoformat(item["created_at"])
            assert moment.utcoffset() is not None
            assert abs((datetime.now(UTC) - moment).total_seconds()) < 60


async def test_items_that_share_the_sdks_fake_id_get_ids_of_their_own(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for text in ("first", "second"):
            async for event in spoken(thread, FAKE, text):
                yield event
        yield ThreadItemDoneEvent(
            item=ClientToolCallItem(
                id=FAKE,
                thread_id=thread.id,
                created_at=datetime.now(),
                call_id="call_1",
                name="tool",
                arguments={},
            )
        )

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        await chat.say("two")
        items = await chat.items()
    ids = [item["id"] for item in items]
    assert len(set(ids)) == len(ids) == 8
    assert not any(FAKE in item_id for item_id in ids)
    assert texts(items) == ["one", "first", "second", "two", "first", "second"]
    assert [item["type"] for item in items].count("client_tool_call") == 2


async def test_an_id_that_a_model_uses_again_is_another_item(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        async for event in spoken(thread, "msg_0", "counted from zero"):
            yield event

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        await chat.say("two")
        items = await chat.items()
    assert texts(items) == ["one", "counted from zero", "two", "counted from zero"]
    assert len({item["id"] for item in items}) == 4


async def test_a_guardrail_takes_back_all_items_of_the_fake_id(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for text in ("first", "second"):
            async for event in spoken(thread, FAKE, text):
                yield event
        yield ThreadItemRemovedEvent(item_id=FAKE)
        raise CustomStreamError("That is not for here.")

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        assert texts(await chat.items()) == texts(chat.shown()) == ["one"]


async def test_an_item_done_again_is_changed_where_it_stands(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        yield ThreadItemDoneEvent(item=message(thread, "msg_note", "draft"))
        yield ThreadItemDoneEvent(item=message(thread, "msg_note", "final"))
        yield ThreadItemDoneEvent(item=message(thread, "msg_end", "end"))

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        assert texts(await chat.items()) == ["one", "final", "end"]
        assert "thread.item.replaced" in chat.types()


async def test_hidden_items_are_stored_and_never_sent(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        secret = HiddenContextItem(
            id="hid_1", thread_id=thread.id, created_at=datetime.now(), content="TOP SECRET"
        )
        yield ThreadItemAddedEvent(item=secret)
        yield ThreadItemDoneEvent(item=secret)
        yield ThreadItemReplacedEvent(item=secret)
        yield ThreadUpdatedEvent(
            thread=Thread(
                id=thread.id,
                created_at=thread.created_at,
                metadata={"key": "TOP SECRET"},
                items=ItemPage(data=[secret]),
            )
        )

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        assert "TOP SECRET" not in str(chat.events)
        assert [item["type"] for item in await chat.items(hidden=True)] == [
            "user_message",
            "hidden_context_item",
        ]


async def test_a_server_finds_what_it_has_just_streamed_in_its_store(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for number in range(3):
            yield ThreadItemDoneEvent(item=message(thread, f"msg_{number}", "x"))
            page = await server.store.load_thread_items(thread.id, None, 10, "asc", ctx)
            seen.append([item.id for item in page.data][1:])

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
    assert seen == [["msg_0"], ["msg_0", "msg_1"], ["msg_0", "msg_1", "msg_2"]]


async def test_only_what_the_server_changed_in_its_thread_is_written(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        thread.metadata["topic"] = "weather"
        yield ProgressUpdateEvent(text="…")
        await chat.json("threads.update", thread_id=thread.id, title="Renamed by the visitor")
        thread.status = LockedStatus(reason="full")
        yield ProgressUpdateEvent(text="…")
        await server.store.save_thread(thread, ctx)

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        thread = await chat.engine.store.load_thread(chat.owner, chat.thread_id)
        assert thread.title == "Renamed by the visitor"
        assert thread.status == {"type": "locked", "reason": "full"}
        assert thread.metadata == {"topic": "weather"}
        assert "topic" not in str(chat.events)


async def test_many_quick_changes_of_the_thread_are_few_writes(tmp_path: Path) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        for number in range(300):
            thread.metadata["step"] = number
            yield ProgressUpdateEvent(text=str(number))

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        assert chat.types().count("progress_update") == 300
        assert chat.types().count("thread.updated") < 10
        thread = await chat.engine.store.load_thread(chat.owner, chat.thread_id)
        assert thread.metadata == {"step": 299}


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            CustomStreamError("The quota is used up.", allow_retry=False),
            {"code": "custom", "message": "The quota is used up.", "allow_retry": False},
        ),
        (StreamError(ErrorCode.STREAM_ERROR), {"code": "stream.error", "allow_retry": True}),
        (RuntimeError("secret detail"), {"code": "stream.error", "allow_retry": True}),
    ],
)
async def test_a_failure_keeps_the_text_and_is_told_as_the_server_words_it(
    raised: Exception, told: JsonObject, tmp_path: Path
) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        yield ThreadItemAddedEvent(item=message(thread, "msg_1"))
        yield delta("msg_1", "Half an ans")
        thread.title = "Half"
        raise raised

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        errors = [event for event in chat.events if event["type"] == "error"]
        assert errors == [{"type": "error", **told}]
        assert "secret detail" not in str(chat.events)
        assert "Half an ans" in texts(await chat.items())
        thread = await chat.engine.store.load_thread(chat.owner, chat.thread_id)
        assert thread.title == "Half"


async def test_a_server_that_cancels_itself_has_failed_and_not_been_stopped(
    tmp_path: Path,
) -> None:
    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        yield NoticeEvent(level="info", message="now")
        raise asyncio.CancelledError

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        await chat.say("one")
        assert chat.events[-1] == {"type": "error", "code": "stream.error", "allow_retry": True}


async def test_the_context_is_a_mapping_that_says_who_asks(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        given: Any = ctx
        seen.extend([ctx["user_id"], given.user_id, ctx.get("locale"), given.request.headers])
        with pytest.raises(AttributeError):
            _ = given.missing
        return
        yield

    hosted = HostedServer(ScriptedServer(respond))
    async with conversation(hosted, tmp_path) as chat:
        await chat.say("one")
    assert seen == ["guest-1", "guest-1", "en", {}]


async def test_an_attachment_reaches_the_server_with_its_metadata(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        assert asked is not None
        page = await server.store.load_thread_items(thread.id, None, 1, "desc", ctx)
        stored = page.data[0]
        assert isinstance(stored, UserMessageItem)
        seen.extend([asked.attachments[0].metadata, stored.attachments[0].metadata])
        return
        yield

    async with conversation(ScriptedServer(respond), tmp_path) as chat:
        made = await chat.json("attachments.create", name="a.txt", size=3, mime_type="text/plain")
        record = await chat.engine.store.load_attachment(chat.owner, made["id"])
        await chat.engine.store.save_attachment(chat.owner, {**record, "metadata": {"pages": 3}})
        await chat.engine.attachments.files.save(made["id"], _bytes(b"abc"))
        await chat.say("look", attachments=(made["id"],))
        assert "pages" not in str(chat.events)
    assert seen == [{"pages": 3}, {"pages": 3}]


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_streamed_widget_and_its_actions_survive_a_reload(tmp_path: Path) -> None:
    async with conversation(WidgetServer(None), tmp_path) as chat:  # type: ignore[arg-type]
        await chat.say("a widget, please")
        kinds = [e["update"]["type"] for e in chat.events if e["type"] == "thread.item.updated"]
        assert kinds.count("widget.streaming_text.value_delta") == 2
        widget = chat.shown()[-1]
        assert (await chat.items())[-1] == widget
        assert widget["widget"]["border"] == {"size": 2, "color": "strong"}
        assert widget["widget"]["children"][1]["glow"] == "soft"
        assert widget["widget"]["children"][0]["value"] == "One two three."

        for pressed in (1, 2):
            button = widget["widget"]["children"][1]
            await chat.stream(
                "threads.custom_action",
                thread_id=chat.thread_id,
                item_id=widget["id"],
                action=button["onClickAction"],
            )
            widget = chat.shown(widget)[0]
            assert widget["widget"]["children"][1]["label"] == f"Pressed {pressed} times"
            assert (await chat.items())[-1] == widget

        answer = await chat.json(
            "threads.sync_custom_action",
            thread_id=chat.thread_id,
            item_id=widget["id"],
            action={"type": "press", "payload": None},
        )
        assert answer["updated_item"] == {**widget, "copy_text": "copied"}
        assert (await chat.items())[-1] == answer["updated_item"]


async def test_what_a_server_does_not_override_is_unsupported_with_a_hint(tmp_path: Path) -> None:
    hosted = HostedServer(ScriptedServer(lambda *_: _nothing()))
    with pytest.raises(Unsupported) as refused:
        await hosted.transcribe(b"", "audio/webm", context())
    assert refused.value.hint == "Override ScriptedServer.transcribe() to handle it."
    async with conversation(hosted, tmp_path) as chat:
        await chat.say("one")
        with pytest.raises(Unsupported):
            await chat.json("input.transcribe", audio_base64="", mime_type="audio/webm")
        await chat.stream("threads.custom_action", thread_id=chat.thread_id, action={"type": "x"})
        assert [e["code"] for e in chat.events if e["type"] == "error"] == ["custom"]


async def _nothing() -> Events:
    return
    yield


class TalkativeServer(ChatKitServer[Context]):
    """Overrides everything that has no stream."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.thumbs: list[object] = []

    def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> Events:
        return spoken(thread, self.store.generate_item_id("message", thread, context), "hi")

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: Context
    ) -> None:
        item = await self.store.load_item(thread_id, item_ids[0], context)
        self.thumbs.append((item.type, feedback, context["user_id"]))

    async def transcribe(self, audio_input: AudioInput, context: Context) -> TranscriptionResult:
        return TranscriptionResult(text=f"{len(audio_input.data)} bytes {audio_input.media_type}")

    def get_stream_options(self, thread: ThreadMetadata, context: Context) -> StreamOptions:
        return StreamOptions(allow_cancel=False)


async def test_feedback_speech_and_stream_options_reach_the_server(tmp_path: Path) -> None:
    server = TalkativeServer()
    async with conversation(server, tmp_path) as chat:
        await chat.say("one")
        assert {"type": "stream_options", "stream_options": {"allow_cancel": False}} in chat.events
        answer = (await chat.items())[-1]
        await chat.json(
            "items.feedback", thread_id=chat.thread_id, item_ids=[answer["id"]], kind="positive"
        )
        assert server.thumbs == [("assistant_message", "positive", "guest-1")]
        spoken_text = await chat.json(
            "input.transcribe", audio_base64="YWJj", mime_type="audio/webm;codecs=opus"
        )
        assert spoken_text == {"text": "3 bytes audio/webm"}


class Bucket(AttachmentStore[Context]):
    """Keeps bytes elsewhere, with upload addresses of its own."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def create_attachment(
        self, input: AttachmentCreateParams, context: Context
    ) -> FileAttachment:
        return FileAttachment(
            id=self.generate_attachment_id(input.mime_type, context),
            name=input.name,
            mime_type=input.mime_type,
            upload_descriptor=AttachmentUploadDescriptor(
                url=AnyUrl("https://bucket.test/put"), method="PUT", headers={"x-sig": "1"}
            ),
            metadata={"size": input.size},
        )

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        if attachment_id in self.deleted:
            raise NotFoundError
        self.deleted.append(attachment_id)


async def test_a_servers_own_attachment_store_is_asked(tmp_path: Path) -> None:
    server, bucket = TalkativeServer(), Bucket()
    server.attachment_store = bucket
    async with conversation(server, tmp_path) as chat:
        made = await chat.json("attachments.create", name="a", size=3, mime_type="text/plain")
        assert made["upload_descriptor"]["url"] == "https://bucket.test/put"
        assert "metadata" not in made
        await chat.say("look", attachments=(made["id"],))
        assert chat.shown()[0]["attachments"][0]["id"] == made["id"]
        await chat.json("attachments.delete", attachment_id=made["id"])
    assert bucket.deleted == [made["id"]]


async def test_a_retry_may_use_the_old_answers_id_again(tmp_path: Path) -> None:
    said: list[str] = []

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        said.append(f"answer {len(said)}")
        yield ThreadItemDoneEvent(item=message(thread, f"msg_{thread.id}", said[-1]))

    store = SqlStore.from_spec(f"sqlite:///{tmp_path / 'chat.db'}")
    async with conversation(ScriptedServer(respond), tmp_path, store) as chat:
        await chat.say("one")
        asked = (await chat.items())[0]
        await chat.stream("threads.retry_after_item", thread_id=chat.thread_id, item_id=asked["id"])
        assert texts(await chat.items()) == ["one", "answer 1"]
