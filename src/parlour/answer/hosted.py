"""Hosts an official ``ChatKitServer``: it answers, and the engine does the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from chatkit.actions import Action
from chatkit.errors import CustomStreamError, StreamError
from chatkit.server import ChatKitServer
from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    AttachmentCreateParams,
    AudioInput,
    FeedbackKind,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
)

from parlour.answer.base import (
    ActionRequest,
    Answerer,
    AnswerEvent,
    Emit,
    Materials,
    Question,
    ThreadChange,
)
from parlour.answer.hosted_context import HostedContext
from parlour.answer.hosted_converter import mend_converter
from parlour.answer.hosted_ids import ItemIds
from parlour.answer.hosted_models import (
    attachment_json,
    event_json,
    item_json,
    thread_model,
)
from parlour.answer.hosted_run import Relay
from parlour.answer.hosted_spec import load_server
from parlour.answer.hosted_store import ThreadWatch, host_store, with_attachments
from parlour.context import RequestContext
from parlour.errors import Conflict, NotFound, Unsupported
from parlour.protocol import JsonObject, new_id
from parlour.stores.base import Store, Thread

_Start = Callable[[ThreadMetadata, HostedContext], Awaitable[AsyncIterator[ThreadStreamEvent]]]

_Action = Action[str, Any]

_WAITED_FOR = (ThreadItemDoneEvent, ThreadItemReplacedEvent, ThreadItemRemovedEvent)
"""After these, hosted code may expect to find the store changed."""


class HostedServer(Answerer):
    """Calls an official server's own methods, unchanged, with our store as its ``store``.

    Only ``handle_stream_cancelled`` is never called: a stop keeps the text by itself, and what the
    server has to clean up belongs into a ``finally`` of ``respond``.
    """

    def __init__(self, server: ChatKitServer) -> None:
        mend_converter()
        theirs = getattr(server, "store", None)
        server.store = host_store(theirs)
        for name, value in list(vars(server).items()):
            if theirs is not None and value is theirs and name != "attachment_store":
                setattr(server, name, server.store)
        files = getattr(server, "attachment_store", None)
        if files and type(files).generate_attachment_id is AttachmentStore.generate_attachment_id:
            # The SDK's own have 32 bits, which are soon used twice.
            files.generate_attachment_id = lambda mime_type, context: new_id("attachment")
        self._server = server
        self._store: Store | None = None
        self.reason = f"hosting {type(server).__name__}"

    @classmethod
    def from_spec(cls, rest: str, materials: Materials | None = None) -> HostedServer:
        """``module:object``, as uvicorn takes it: a server, a subclass, or a function making one.

        The current folder is searched too. ``ConfigurationError`` when there is no such thing.
        """
        return cls(load_server(rest))

    async def open(self, store: Store) -> None:
        """Keeps the store for the calls that come without a question."""
        self._store = store

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        """What ``respond`` streams."""

        async def start(
            thread: ThreadMetadata, context: HostedContext
        ) -> AsyncIterator[ThreadStreamEvent]:
            message = None
            if question.message is not None:
                message = await with_attachments(context.binding, question.message)
            return self._server.respond(thread, cast("UserMessageItem | None", message), context)

        return self._stream(question, start)

    def action(self, request: ActionRequest) -> AsyncIterator[AnswerEvent]:
        """What ``action`` streams."""
        self._require("action")

        async def start(
            thread: ThreadMetadata, context: HostedContext
        ) -> AsyncIterator[ThreadStreamEvent]:
            return self._server.action(thread, *await _action_arguments(request, context), context)

        return self._stream(request, start)

    async def sync_action(self, request: ActionRequest) -> JsonObject | None:
        """The item that ``sync_action`` gives back."""
        self._require("sync_action")
        context = self._context(request.context, request.store)
        thread = thread_model(request.thread)
        action, sender = await _action_arguments(request, context)
        try:
            response = await self._server.sync_action(thread, action, sender, context)
        except CustomStreamError as error:
            raise Conflict(error.message, hint="The action was refused.") from error
        return None if response.updated_item is None else item_json(response.updated_item)

    async def _stream(
        self, asked: Question | ActionRequest, start: _Start
    ) -> AsyncIterator[AnswerEvent]:
        context = self._context(asked.context, asked.store)
        thread = thread_model(asked.thread)
        watch = ThreadWatch(thread, context.binding)
        relay = Relay[JsonObject](lambda relay: self._produce(relay, start, thread, context))
        try:
            while True:
                batch = await relay.take()
                for event in batch:
                    yield Emit(event)
                if changes := watch.changes():
                    yield ThreadChange(changes)
                if not batch:
                    break
            relay.check()
        except CustomStreamError as error:
            yield Emit(_error("custom", error.allow_retry, error.message))
        except StreamError as error:
            yield Emit(_error(getattr(error.code, "value", error.code), error.allow_retry))
        finally:
            await relay.close()

    async def _produce(
        self,
        relay: Relay[JsonObject],
        start: _Start,
        thread: ThreadMetadata,
        context: HostedContext,
    ) -> None:
        ids = ItemIds(context.binding, lambda item_id: _exists(context, thread.id, item_id))
        names = ids.names
        stream = await start(thread, context)
        try:
            async for event in stream:
                if isinstance(event, ThreadItemUpdatedEvent):
                    update = event.update
                    if type(update) is AssistantMessageContentPartTextDelta:
                        item_id = names.get(event.item_id, event.item_id)
                        _push_text(relay, item_id, update.content_index, update.delta)
                        if relay.full:
                            await relay.drained()
                        continue
                # Made now, since the SDK goes on changing the models it has streamed.
                for settled in await ids.settle(event_json(event)):
                    relay.push(settled)
                if relay.full or isinstance(event, _WAITED_FOR):
                    await relay.drained()
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    # -- the rest --------------------------------------------------------------------------------

    async def feedback(
        self, thread_id: str, item_ids: Sequence[str], kind: str, context: RequestContext
    ) -> None:
        """Tells ``add_feedback``."""
        await self._server.add_feedback(
            thread_id, list(item_ids), cast(FeedbackKind, kind), self._context(context)
        )

    async def transcribe(self, audio: bytes, mime_type: str, context: RequestContext) -> str:
        """Asks ``transcribe``."""
        self._require("transcribe")
        result = await self._server.transcribe(
            AudioInput(data=audio, mime_type=mime_type), self._context(context)
        )
        return result.text

    async def create_attachment(
        self, given: JsonObject, context: RequestContext
    ) -> JsonObject | None:
        """Asks the server's own ``attachment_store``, if it has one."""
        theirs = self._server.attachment_store
        if theirs is None:
            return None
        params = AttachmentCreateParams.model_validate(given)
        try:
            made = await theirs.create_attachment(params, self._context(context))
        except NotImplementedError:
            raise Unsupported(
                "This server takes no two-phase uploads.",
                hint=f"Override {type(theirs).__name__}.create_attachment().",
            ) from None
        return attachment_json(made)

    async def delete_attachment(self, attachment_id: str, context: RequestContext) -> None:
        """Tells the server's own ``attachment_store``, if it has one."""
        theirs = self._server.attachment_store
        if theirs is not None:
            with suppress(NotFoundError):
                await theirs.delete_attachment(attachment_id, self._context(context))

    def allow_cancel(self, thread: Thread, context: RequestContext) -> bool:
        """Asks ``get_stream_options``."""
        options = self._server.get_stream_options(thread_model(thread), self._context(context))
        return options.allow_cancel

    def _context(self, context: RequestContext, store: Store | None = None) -> HostedContext:
        return HostedContext(context, store or self._store)

    def _require(self, method: str) -> None:
        if getattr(type(self._server), method) is getattr(ChatKitServer, method):
            name = type(self._server).__name__
            raise Unsupported(
                f"{name} does not do that.", hint=f"Override {name}.{method}() to handle it."
            )


async def _action_arguments(
    request: ActionRequest, context: HostedContext
) -> tuple[Action[str, Any], WidgetItem | None]:
    sender = None
    if request.sender is not None:
        sender = await with_attachments(context.binding, request.sender)
    return _Action.model_validate(request.action), cast("WidgetItem | None", sender)


async def _exists(context: HostedContext, thread_id: str, item_id: str) -> bool:
    binding = context.binding
    assert binding.store is not None
    try:
        await binding.store.load_item(binding.owner, thread_id, item_id)
    except NotFound:
        return False
    return True


def _push_text(relay: Relay[JsonObject], item_id: str, content_index: int, delta: str) -> None:
    """Neighbouring deltas that the reader has not taken yet leave as one."""
    last = relay.last()
    if last is not None and last.get("item_id") == item_id:
        update = last["update"]
        if (
            update["type"] == "assistant_message.content_part.text_delta"
            and update["content_index"] == content_index
        ):
            update["delta"] += delta
            relay.grown()
            return
    relay.push(
        {
            "type": "thread.item.updated",
            "item_id": item_id,
            "update": {
                "type": "assistant_message.content_part.text_delta",
                "content_index": content_index,
                "delta": delta,
            },
        }
    )


def _error(code: str, allow_retry: bool, message: str | None = None) -> JsonObject:
    event: JsonObject = {"type": "error", "code": code, "allow_retry": allow_retry}
    if message is not None:
        event["message"] = message
    return event
