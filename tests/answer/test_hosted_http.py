"""Hosted servers over a real socket and a real SQLite file: ``create_app(server=…)``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import set_tracing_disabled

from parlour.app import create_app
from parlour.protocol import JsonObject
from parlour.settings import Settings
from tests.answer.test_hosted import texts
from tests.answer.test_hosted_agents import LONG
from tests.hosted_servers.agent import AssistantServer
from tests.hosted_servers.widgets import WidgetServer
from tests.servers.client import Visitor, message, text_of, thread_of
from tests.servers.completions import CompletionsServer, Reply, Tokens, ToolCall
from tests.servers.serving import serving


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def upstream() -> Iterator[CompletionsServer]:
    set_tracing_disabled(True)
    with CompletionsServer() as server:
        yield server


@pytest.fixture
def assistant(settings: Settings, upstream: CompletionsServer) -> Iterator[Visitor]:
    server = AssistantServer(None, upstream.url)  # type: ignore[arg-type]
    with serving(create_app(settings, server=server)) as url:
        visitor = Visitor(url)
        yield visitor
        visitor.close()


def test_two_turns_a_client_tool_and_a_reload(
    assistant: Visitor, upstream: CompletionsServer
) -> None:
    upstream.script(
        Reply(Tokens("Rain, I think."), ToolCall("weather", {"city": "Bonn"})),
        Reply(Tokens("Rain, I know.")),
        Reply(ToolCall("show_map", {"place": "Bonn"})),
        Reply(Tokens("That is Bonn.")),
    )
    thread = thread_of(assistant.ask("Weather?"))
    pending = assistant.ask("Where?", thread)[-1]["item"]
    assert (pending["type"], pending["status"]) == ("client_tool_call", "pending")
    events = assistant.events(
        "threads.add_client_tool_output", thread_id=thread, result={"seen": True}
    )
    assert text_of(events) == "That is Bonn."
    loaded = assistant.json("threads.get_by_id", thread_id=thread)
    assert loaded["title"] == "Weather in Bonn"
    assert texts(loaded["items"]["data"]) == [
        "Weather?",
        "Rain, I think.",
        "Rain, I know.",
        "Where?",
        "That is Bonn.",
    ]


def test_closing_the_connection_stops_the_model_upstream(
    assistant: Visitor, upstream: CompletionsServer
) -> None:
    upstream.script(Reply(LONG), Reply(Tokens("Once more.")))
    with assistant.streaming("threads.create", input=message("Tell me all")) as stream:
        seen: list[JsonObject] = []
        for event in stream:
            seen.append(event)
            if "w5" in text_of(seen):
                break
    asyncio.run(upstream.disconnected(timeout=1.0))
    assert upstream.disconnects[0].tokens < 60
    with assistant.resuming(stream.turn_id) as rest:
        assert list(rest)[-1]["item"]["type"] == "task"
    thread = thread_of(seen)
    items = assistant.items(thread)
    assert texts(items)[1].startswith("w0 w1 w2 w3 w4 w5")
    asked = items[0]
    again = assistant.events("threads.retry_after_item", thread_id=thread, item_id=asked["id"])
    assert text_of(again) == "Once more."
    assert texts(assistant.items(thread)) == ["Tell me all", "Once more."]


def test_another_visitor_sees_nothing_of_it(
    assistant: Visitor, upstream: CompletionsServer
) -> None:
    upstream.script(Reply(Tokens("Between us.")))
    thread = thread_of(assistant.ask("A secret"))
    stranger = Visitor(assistant.url)
    assert stranger.post("threads.get_by_id", thread_id=thread).status_code == 404
    assert (
        stranger.post("threads.add_user_message", thread_id=thread, input=message("hi")).status_code
        == 404
    )
    assert stranger.json("threads.list")["data"] == []
    stranger.close()


def test_a_widget_and_its_action_survive_a_restart(settings: Settings) -> None:
    def hosted() -> WidgetServer:
        return WidgetServer(None)  # type: ignore[arg-type]

    with serving(create_app(settings, server=hosted())) as url:
        visitor = Visitor(url)
        events = visitor.ask("a widget")
        thread, widget = thread_of(events), events[-1]["item"]
        press = widget["widget"]["children"][1]["onClickAction"]
        visitor.events(
            "threads.custom_action", thread_id=thread, item_id=widget["id"], action=press
        )
    with serving(create_app(settings, server=hosted())) as url:
        visitor.http.base_url = url
        shown = visitor.items(thread)[-1]
        assert shown["widget"]["children"][1]["label"] == "Pressed 1 times"
        assert shown["widget"]["border"] == {"size": 2, "color": "strong"}
        visitor.close()


def test_a_server_is_hosted_by_its_name_alone(settings: Settings) -> None:
    named = settings.model_copy(update={"answer": "python:tests.hosted_servers.parrot:server"})
    with serving(create_app(named)) as url:
        visitor = Visitor(url)
        assert text_of(visitor.ask("polly wants a cracker")) == "polly wants a cracker "
        visitor.close()
