"""What each kind of turn does before the answer: under the thread's lock, stored, then shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from parlour.answer.base import ActionRequest, Answerer, AnswerEvent, Emit, Question
from parlour.chat import events
from parlour.chat.recorder import Recorder
from parlour.chat.turn import Script
from parlour.context import RequestContext
from parlour.errors import AttachmentTaken, Conflict, ThreadClosed
from parlour.protocol import JsonObject, is_hidden, parse
from parlour.stores.base import Store, Thread

TOOL_CALL_REACH = 50
"""How many of a thread's newest items are searched for the tool call that an output answers."""


class Stage(Protocol):
    """What a script needs of the engine."""

    @property
    def store(self) -> Store: ...
    @property
    def answerer(self) -> Answerer: ...


def require_open(thread: Thread) -> Thread:
    """The thread itself, or ``ThreadClosed`` when it takes no more messages."""
    if thread.status.get("type") != "active":
        reason = thread.status.get("reason") or f"This conversation is {thread.status['type']}."
        raise ThreadClosed(str(reason))
    return thread


def user_message(
    stage: Stage,
    thread: Thread,
    message: JsonObject,
    attachments: list[JsonObject],
    context: RequestContext,
    *,
    new_thread: bool,
) -> Script:
    """A message in a thread, which is made first if it is new."""
    question = Question(thread, message, context, stage.store)

    async def begin(recorder: Recorder) -> AsyncIterator[AnswerEvent]:
        if not new_thread:
            # The turn that was waited for may have locked the thread.
            require_open(await stage.store.load_thread(recorder.owner, thread.id))
        await _take(stage, recorder, attachments)
        if new_thread:
            await stage.store.add_thread(recorder.owner, thread)
            recorder.emit(events.thread_created(thread))
        await recorder.add(message)
        return _answer(stage, recorder, question)

    return Script(begin, message, untitled=question if thread.title is None else None)


def tool_output(stage: Stage, thread: Thread, output: object, context: RequestContext) -> Script:
    """The page's answer to the client tool call that the thread waits for."""

    async def begin(recorder: Recorder) -> AsyncIterator[AnswerEvent]:
        calls = await _pending_calls(stage.store, recorder)
        call = calls[0] | {"status": "completed", "output": output}
        await stage.store.save_item(recorder.owner, thread.id, call)
        for stale in calls[1:]:
            await stage.store.delete_item(recorder.owner, thread.id, stale["id"])
        return _answer(stage, recorder, Question(thread, None, context, stage.store))

    return Script(begin)


def structured_input(
    stage: Stage, thread: Thread, item_id: str, given: JsonObject, context: RequestContext
) -> Script:
    """The visitor's answers to a form."""

    async def begin(recorder: Recorder) -> AsyncIterator[AnswerEvent]:
        stored = await stage.store.load_item(recorder.owner, thread.id, item_id)
        if stored.type != "structured_input":
            raise Conflict(f"Item {item_id} is not a form.")
        form = parse(stored.data)
        if form["status"] != "pending":
            raise Conflict("This form has been sent already.")
        _fill_form(form, given)
        answer = _answer(stage, recorder, Question(thread, None, context, stage.store))
        await recorder.take(Emit(events.item_replaced(form)))
        return answer

    return Script(begin)


def retry(stage: Stage, thread: Thread, message: JsonObject, context: RequestContext) -> Script:
    """The same question answered again; the old answer comes back unless the new one finishes."""

    retired: list[JsonObject] = []

    async def begin(recorder: Recorder) -> AsyncIterator[AnswerEvent]:
        page = await stage.store.list_items(
            recorder.owner, thread.id, limit=100, after=message["id"], order="asc"
        )
        await stage.store.retire_after(recorder.owner, thread.id, message["id"], recorder.turn_id)
        retired.extend(parse(item.data) for item in page.data)
        return _answer(stage, recorder, Question(thread, message, context, stage.store))

    return Script(begin, retired=retired)


def action(stage: Stage, asked: ActionRequest) -> Script:
    """A widget's or the page's action."""

    async def begin(recorder: Recorder) -> AsyncIterator[AnswerEvent]:
        allow = stage.answerer.allow_cancel(asked.thread, asked.context)
        recorder.emit(events.stream_options(allow_cancel=allow))
        return stage.answerer.action(asked)

    return Script(begin)


def refused_action() -> Script:
    """An action whose sender is not a widget."""

    async def begin(recorder: Recorder) -> AsyncIterator[AnswerEvent]:
        return _say({"type": "error", "code": "stream.error", "allow_retry": False})

    return Script(begin)


async def _say(event: JsonObject) -> AsyncIterator[AnswerEvent]:
    yield Emit(event)


async def _take(stage: Stage, recorder: Recorder, attachments: list[JsonObject]) -> None:
    """Makes the attachments the thread's, or raises ``AttachmentTaken`` before anything is shown."""
    for attachment in attachments:
        bound = attachment | {"thread_id": recorder.thread_id}
        # Between the request and the lock, another thread may have taken it, or it was deleted.
        if bound != attachment and not await stage.store.replace_attachment(
            recorder.owner, attachment, bound
        ):
            raise AttachmentTaken(f"{attachment['name']!r} was sent elsewhere, or deleted.")


def _answer(stage: Stage, recorder: Recorder, question: Question) -> AsyncIterator[AnswerEvent]:
    recorder.asked = True
    allow = stage.answerer.allow_cancel(question.thread, question.context)
    recorder.emit(events.stream_options(allow_cancel=allow))
    return stage.answerer.answer(question)


async def _pending_calls(store: Store, recorder: Recorder) -> list[JsonObject]:
    """The calls that wait for an output, newest first; ``Conflict`` when there is none.

    Whatever the assistant or the server put behind the call does not matter; a newer user message
    or a call that was answered does.
    """
    page = await store.list_items(
        recorder.owner, recorder.thread_id, limit=TOOL_CALL_REACH, hidden=True
    )
    calls = []
    for stored in page.data:
        item = parse(stored.data)
        if stored.type == "user_message":
            break
        if stored.type == "client_tool_call" and not is_hidden(item):
            if item["status"] != "pending":
                break
            calls.append(item)
    if not calls:
        raise Conflict("No client tool call is waiting for an output in this thread.")
    return calls


def _fill_form(form: JsonObject, given: JsonObject) -> None:
    """Puts the answers into the form: left out means skipped, single choice keeps one value."""
    answers: JsonObject = given.get("answers", {})
    for question in form["inputs"]:
        answer = answers.get(question["id"], {})
        values = [] if answer.get("skipped") else list(answer.get("values", ()))
        if given["status"] == "skipped" or not values:
            question["answer"] = {"values": [], "skipped": True}
            continue
        if question["type"] == "multiple_choice" and not question.get("multiple"):
            values = values[:1]
        question["answer"] = {"values": values, "skipped": False}
    form["status"] = given["status"]
