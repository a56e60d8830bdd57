"""Answers of models that speak Chat Completions, through the agents SDK or our own answerer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from agents import set_tracing_disabled
from chatkit.agents import ThreadItemConverter
from chatkit.server import ChatKitServer
from chatkit.types import ThreadMetadata, UserMessageItem, UserMessageTagContent
from openai.types.responses import ResponseInputTextParam
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from parlour.app import create_app
from parlour.protocol import JsonObject
from parlour.settings import Settings
from tests.hosted_servers.agent import AssistantServer
from tests.hosted_servers.scripted import Context, ScriptedServer, spoken
from tests.servers.client import message, text_of, thread_of
from tests.servers.completions import (
    CompletionsServer,
    Reasoning,
    Refuse,
    Reply,
    Tokens,
    ToolCall,
)
from tests.servers.serving import serving
from tests.traps.engines import Engine, Events, Stage, new_message, until
from tests.traps.official import OfficialStore, as_installed, official_app

LONG = Tokens([f"w{number} " for number in range(80)], delay=0.02)


@pytest.fixture(scope="module")
def upstream() -> Iterator[CompletionsServer]:
    set_tracing_disabled(True)
    with CompletionsServer() as server:
        yield server


def closing(app: ASGIApp, server: object) -> ASGIApp:
    """The app, with its server's client closed where it was used."""

    async def closed_at_the_end(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if scope["type"] == "lifespan" and isinstance(server, AssistantServer):
            await server.client.close()

    return closed_at_the_end


@contextmanager
def officially(server: ChatKitServer[Context], home: Path) -> Iterator[Engine]:
    """The server in OpenAI's engine, with a store of its own."""
    server.store = store = OfficialStore(home / "chat.db")
    with as_installed(), serving(closing(official_app(server), server)) as url:
        yield Engine(url, Stage(), store)
    store.close()


@pytest.fixture
def assistant(official: bool, upstream: CompletionsServer, tmp_path: Path) -> Iterator[Engine]:
    """The assistant of the SDK's quickstart, on either engine."""
    server = AssistantServer(None, upstream.url)  # type: ignore[arg-type]
    with ExitStack() as stack:
        if official:
            engine = stack.enter_context(officially(server, tmp_path))
        else:
            app = closing(create_app(Settings(home=tmp_path), server=server), server)
            engine = Engine(stack.enter_context(serving(app)), Stage())
        yield engine
        engine.left()


def test_a_stop_ends_the_model_upstream(assistant: Engine, upstream: CompletionsServer) -> None:
    # 3.2
    upstream.disconnects.clear()
    upstream.script(Reply(LONG))
    with assistant.person().streaming("threads.create", input=message("go")) as stream:
        until(stream, "w9 ")
    with assistant.promise():
        assistant.wait(lambda: bool(upstream.disconnects))
        assert upstream.disconnects[0].tokens < 60


def test_items_of_models_without_ids_are_kept_apart(
    assistant: Engine, upstream: CompletionsServer
) -> None:  # 3.5
    upstream.script("First.", "Second.")
    person = assistant.person()
    both = [person.say("one"), person.say("two")]
    ids = [item["id"] for heard in both for item in person.items(thread_of(heard.events))]
    with assistant.promise():
        assert not any(heard.failed for heard in both)
        assert len(set(ids)) == 4


def test_the_second_question_reaches_the_model_with_the_first_answer(
    assistant: Engine, upstream: CompletionsServer
) -> None:  # 3.6
    upstream.script("First.", "Second.")
    upstream.requests.clear()
    person = assistant.person()
    thread = thread_of(person.say("one").events)
    assert person.texts(thread) == ["one", "First."]
    person.say("two", thread)
    with assistant.promise():
        assert len(upstream.requests) == 2
        assert [m["role"] for m in upstream.requests[1].messages] == ["user", "assistant", "user"]


def test_a_thread_lives_on_after_reasoning_and_a_tool_of_the_page(
    assistant: Engine, upstream: CompletionsServer
) -> None:  # 3.7
    upstream.script(
        Reply(Reasoning("Where is Bonn?"), ToolCall("show_map", {"place": "Bonn"})),
        Reply(Reasoning("There."), Tokens("On the Rhine.")),
    )
    person = assistant.person()
    thread = thread_of(person.say("Where?").events)
    assert person.kinds(thread) == ["user_message", "workflow", "client_tool_call"]
    heard = person.hear("threads.add_client_tool_output", thread_id=thread, result={})
    with assistant.promise():
        assert not heard.failed
        assert person.texts(thread) == ["Where?", "On the Rhine."]


# -- what an answerer of ours does, and the SDK's own means do not -----------------------------------


class Reading(ThreadItemConverter):
    """Words tags, as the guide asks every site to."""

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        return ResponseInputTextParam(type="input_text", text=f"{tag.text} is {tag.id}")


def recipe(order: str, told: list[str]) -> Callable[..., Events]:
    """A server that notes what it would send to a model, made by the SDK's own means."""

    async def respond(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        page = await server.store.load_thread_items(thread.id, None, 20, order, ctx)
        items = page.data if order == "asc" else list(reversed(page.data))
        told.append(str(await Reading().to_agent_input(items)))
        async for event in spoken(thread, new_message(server, thread, ctx), "Yes."):
            yield event

    return respond


@contextmanager
def reading(
    official: bool, order: str, upstream: CompletionsServer, home: Path
) -> Iterator[tuple[Engine, Callable[[], str]]]:
    """An engine, and what its model was told last."""
    told: list[str] = []
    if official:
        with officially(ScriptedServer(recipe(order, told)), home) as engine:
            yield engine, lambda: told[-1]
            engine.left()
        return
    upstream.script("Yes.")
    settings = Settings(
        home=home, answer="model", openai_api_key=SecretStr("k"), openai_base_url=upstream.url
    )
    with serving(create_app(settings)) as url:
        engine = Engine(url, Stage())
        yield engine, lambda: str(asked_last(upstream))
        engine.left()


def asked_last(upstream: CompletionsServer) -> list[JsonObject]:
    """The messages of the last request that was for an answer, and not for a title."""
    answers = [request for request in upstream.requests if request.body.get("stream")]
    return answers[-1].messages


def test_the_model_is_asked_the_newest_question_in_a_long_conversation(
    official: bool, upstream: CompletionsServer, tmp_path: Path
) -> None:  # 3.8
    with reading(official, "asc", upstream, tmp_path) as (engine, told):
        person = engine.person()
        thread = thread_of(person.say("question 0").events)
        for number in range(1, 12):
            person.say(f"question {number}", thread)
        with engine.promise():
            assert "question 11" in told()


def test_the_model_is_told_every_quote_and_every_mention(
    official: bool, upstream: CompletionsServer, tmp_path: Path
) -> None:  # 3.21
    tags = [
        {"type": "input_tag", "id": f"bob-{number}", "text": "Bob", "data": {}} for number in (1, 2)
    ]
    first = message("who?", quoted_text="from the first page")
    second = message("and they?")
    second["content"] = tags + second["content"]
    with reading(official, "desc", upstream, tmp_path) as (engine, told):
        person = engine.person()
        thread = thread_of(person.hear("threads.create", input=first).events)
        person.hear("threads.add_user_message", thread_id=thread, input=second)
        assert "bob-1" in told()
        with engine.promise():
            assert "from the first page" in told()
        with engine.promise():
            assert "bob-2" in told()


def test_a_refusal_is_streamed_like_any_answer(
    official: bool, upstream: CompletionsServer, tmp_path: Path
) -> None:  # 3.22
    with ExitStack() as stack:
        if official:
            server = AssistantServer(None, upstream.url)  # type: ignore[arg-type]
            engine = stack.enter_context(officially(server, tmp_path))
        else:
            engine, _ = stack.enter_context(reading(False, "desc", upstream, tmp_path))
        upstream.script(Reply(Refuse("I will not help with that.")))
        events = engine.person().say("go").events
        with engine.promise():
            assert text_of(events) == "I will not help with that."
        engine.left()
