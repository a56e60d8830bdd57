"""The one table of operations: what each of the 16 request types does.

An operation gives back JSON bytes, or a ``Prepared`` turn. Whatever can be refused is refused here,
before anything is written; what depends on the thread's present state is looked at again by the
script, under the thread's lock.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from parlour.answer.base import ActionRequest, Answerer
from parlour.chat import events, scripts
from parlour.chat.attachments import Attachments, public
from parlour.chat.requests import Request
from parlour.chat.turn import Script
from parlour.context import RequestContext
from parlour.errors import BadRequest, TurnLogUnavailable, TurnNotFound
from parlour.protocol import JsonObject, encode, new_id, now, parse
from parlour.stores.base import Page, Store, StoredItem, Thread
from parlour.turnlog.base import TurnLog

PAGE_SIZE: Final = 20
MAX_PAGE_SIZE: Final = 100


class Host(Protocol):
    """What an operation needs of the engine."""

    store: Store
    turnlog: TurnLog
    answerer: Answerer
    attachments: Attachments


@dataclass(frozen=True, slots=True)
class Prepared:
    """A turn that may start: its thread, what it will do, and whether it may be stopped."""

    thread: Thread
    script: Script
    may_stop: bool
    new_thread: bool = False


Operation = Callable[[Host, Request, RequestContext], Awaitable[bytes | Prepared]]


# -- turns ---------------------------------------------------------------------------------------


async def create_thread(host: Host, request: Request, context: RequestContext) -> Prepared:
    thread = Thread(new_id("thread"), now())
    message, files = await _user_message(host, request, context, thread)
    script = scripts.user_message(host, thread, message, files, context, new_thread=True)
    may_stop = host.answerer.allow_cancel(thread, context)
    return Prepared(thread, script, may_stop, new_thread=True)


async def add_user_message(host: Host, request: Request, context: RequestContext) -> Prepared:
    thread = await _open_thread(host, request, context)
    message, files = await _user_message(host, request, context, thread)
    script = scripts.user_message(host, thread, message, files, context, new_thread=False)
    return _prepared(host, thread, context, script)


async def add_client_tool_output(host: Host, request: Request, context: RequestContext) -> Prepared:
    thread = await host.store.load_thread(context.caller.owner, request.text("thread_id"))
    output = request.params.get("result")
    return _prepared(host, thread, context, scripts.tool_output(host, thread, output, context))


async def add_structured_input(host: Host, request: Request, context: RequestContext) -> Prepared:
    thread = await _open_thread(host, request, context)
    item_id = request.text("item_id")
    await host.store.load_item(context.caller.owner, thread.id, item_id)
    script = scripts.structured_input(host, thread, item_id, request.params["input"], context)
    return _prepared(host, thread, context, script)


async def retry_after_item(host: Host, request: Request, context: RequestContext) -> Prepared:
    thread = await _open_thread(host, request, context)
    stored = await host.store.load_item(context.caller.owner, thread.id, request.text("item_id"))
    if stored.type != "user_message":
        raise BadRequest(
            f"Item {stored.id} is a {stored.type}; only a user message can be answered again.",
            hint="Send the id of the user message whose answer is to be replaced.",
        )
    script = scripts.retry(host, thread, parse(stored.data), context)
    return _prepared(host, thread, context, script)


async def custom_action(host: Host, request: Request, context: RequestContext) -> Prepared:
    asked = await _action(host, request, context)
    script = scripts.action(host, asked) if _from_widget(asked) else scripts.refused_action()
    return _prepared(host, asked.thread, context, script)


# -- answers at once -----------------------------------------------------------------------------


async def get_thread(host: Host, request: Request, context: RequestContext) -> bytes:
    owner = context.caller.owner
    thread = await host.store.load_thread(owner, request.text("thread_id"))
    page = await host.store.list_items(owner, thread.id, limit=PAGE_SIZE, order="asc")
    head = encode(thread.wire())
    empty = b'"items":{"data":[],"has_more":false}}'
    return head[: -len(empty)] + b'"items":' + _page_json(page) + b"}"


async def list_threads(host: Host, request: Request, context: RequestContext) -> bytes:
    page = await host.store.list_threads(
        context.caller.owner,
        limit=_limit(request),
        after=request.params.get("after"),
        order=request.params["order"],
    )
    body: JsonObject = {"data": [thread.wire() for thread in page.data], "has_more": page.has_more}
    if page.after is not None:
        body["after"] = page.after
    return encode(body)


async def list_items(host: Host, request: Request, context: RequestContext) -> bytes:
    page = await host.store.list_items(
        context.caller.owner,
        request.text("thread_id"),
        limit=_limit(request),
        after=request.params.get("after"),
        order=request.params["order"],
    )
    return _page_json(page)


async def update_thread(host: Host, request: Request, context: RequestContext) -> bytes:
    thread = await host.store.update_thread(
        context.caller.owner, request.text("thread_id"), {"title": request.text("title")[:500]}
    )
    return encode(thread.wire())


async def delete_thread(host: Host, request: Request, context: RequestContext) -> bytes:
    owner, thread_id = context.caller.owner, request.text("thread_id")
    attachments = await host.store.delete_thread(owner, thread_id)
    await host.attachments.discard(attachments)
    turn_id = await host.turnlog.running(owner, thread_id)
    if turn_id is not None:
        # It is deleted all the same; a turn that hears nothing finds its end in the store.
        with suppress(TurnNotFound, TurnLogUnavailable):
            await host.turnlog.request_stop(owner, turn_id)
    return b"{}"


async def feedback(host: Host, request: Request, context: RequestContext) -> bytes:
    thread_id, kind = request.text("thread_id"), request.text("kind")
    item_ids = list(dict.fromkeys(request.params["item_ids"]))
    await host.store.save_feedback(context.caller.owner, thread_id, item_ids, kind)
    await host.answerer.feedback(thread_id, item_ids, kind, context)
    return b"{}"


async def create_attachment(host: Host, request: Request, context: RequestContext) -> bytes:
    owner = context.caller.owner
    await host.attachments.admit(owner)
    attachment = await host.answerer.create_attachment(request.params, context)
    if attachment is None:
        attachment = await host.attachments.create(owner, request.params, context.base_url)
    else:
        await host.store.save_attachment(owner, attachment)
    return encode({name: value for name, value in attachment.items() if name != "metadata"})


async def delete_attachment(host: Host, request: Request, context: RequestContext) -> bytes:
    attachment_id = request.text("attachment_id")
    await host.attachments.delete(context.caller.owner, attachment_id)
    await host.answerer.delete_attachment(attachment_id, context)
    return b"{}"


async def transcribe(host: Host, request: Request, context: RequestContext) -> bytes:
    try:
        audio = base64.b64decode(request.text("audio_base64"), validate=True)
    except ValueError:
        raise BadRequest("audio_base64 is not valid base64.") from None
    text = await host.answerer.transcribe(audio, request.text("mime_type"), context)
    return encode({"text": text})


async def sync_custom_action(host: Host, request: Request, context: RequestContext) -> bytes:
    asked = await _action(host, request, context)
    if not _from_widget(asked):
        raise BadRequest("A synchronous action needs a widget as its sender.")
    item = await host.answerer.sync_action(asked)
    if item is None:
        return b"{}"
    await host.store.save_item(context.caller.owner, asked.thread.id, item)
    return encode({"updated_item": item})


OPERATIONS: Final[dict[str, Operation]] = {
    "threads.create": create_thread,
    "threads.add_user_message": add_user_message,
    "threads.add_client_tool_output": add_client_tool_output,
    "threads.add_structured_input": add_structured_input,
    "threads.retry_after_item": retry_after_item,
    "threads.custom_action": custom_action,
    "threads.get_by_id": get_thread,
    "threads.list": list_threads,
    "items.list": list_items,
    "items.feedback": feedback,
    "attachments.create": create_attachment,
    "attachments.delete": delete_attachment,
    "threads.update": update_thread,
    "threads.delete": delete_thread,
    "input.transcribe": transcribe,
    "threads.sync_custom_action": sync_custom_action,
}


# -- what they share -----------------------------------------------------------------------------


def _prepared(host: Host, thread: Thread, context: RequestContext, script: Script) -> Prepared:
    return Prepared(thread, script, host.answerer.allow_cancel(thread, context))


async def _open_thread(host: Host, request: Request, context: RequestContext) -> Thread:
    """The thread, if it still takes messages."""
    owner = context.caller.owner
    return scripts.require_open(await host.store.load_thread(owner, request.text("thread_id")))


async def _user_message(
    host: Host, request: Request, context: RequestContext, thread: Thread
) -> tuple[JsonObject, list[JsonObject]]:
    """The message as an item, and the full records of its attachments."""
    given: JsonObject = request.params["input"]
    files = list(dict.fromkeys(given["attachments"]))
    records = await host.attachments.resolve(context.caller.owner, files, thread.id)
    quoted = given.get("quoted_text") or context.selected_text
    shown = [public(record) for record in records]
    return events.user_message(thread.id, {**given, "quoted_text": quoted}, shown), records


async def _action(host: Host, request: Request, context: RequestContext) -> ActionRequest:
    owner = context.caller.owner
    thread = await host.store.load_thread(owner, request.text("thread_id"))
    sender: JsonObject | None = None
    if item_id := request.params.get("item_id"):
        stored = await host.store.load_item(owner, thread.id, item_id)
        sender = parse(stored.data)
    return ActionRequest(thread, request.params["action"], sender, context, host.store)


def _from_widget(asked: ActionRequest) -> bool:
    return asked.sender is None or asked.sender["type"] == "widget"


def _limit(request: Request) -> int:
    """A page size between 1 and the largest; none, zero and nonsense mean the default."""
    limit: int | None = request.params.get("limit")
    return min(limit, MAX_PAGE_SIZE) if limit and limit > 0 else PAGE_SIZE


def _page_json(page: Page[StoredItem]) -> bytes:
    """A page of stored JSON, as it lies."""
    data = ",".join(item.data for item in page.data)
    after = f',"after":{encode(page.after).decode()}' if page.after is not None else ""
    more = "true" if page.has_more else "false"
    return f'{{"data":[{data}],"has_more":{more}{after}}}'.encode()
