"""An openai-agents assistant on a Chat Completions model, hosted unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from agents import set_tracing_disabled

from parlour.protocol import JsonObject
from tests.answer.conversation import Conversation, conversation
from tests.answer.test_hosted import texts
from tests.hosted_servers.agent import AssistantServer
from tests.servers.completions import (
    CompletionsServer,
    Fail,
    HttpError,
    Pause,
    Reasoning,
    Reply,
    Tokens,
    ToolCall,
)

LONG = Tokens([f"w{number} " for number in range(300)], delay=0.02)


@pytest.fixture
async def upstream() -> AsyncIterator[CompletionsServer]:
    set_tracing_disabled(True)
    async with CompletionsServer() as server:
        yield server


@pytest.fixture
async def chat(upstream: CompletionsServer, tmp_path: Path) -> AsyncIterator[Conversation]:
    server = AssistantServer(None, upstream.url)  # type: ignore[arg-type]
    async with conversation(server, tmp_path) as chat:
        yield chat
    await server.client.close()


def roles(messages: list[JsonObject]) -> list[str]:
    return [message["role"] for message in messages]


async def test_a_tool_is_called_and_the_second_turn_knows_the_first(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(
        Reply(Tokens("I look."), ToolCall("weather", {"city": "Bonn"})),
        Reply(Tokens("It rains in Bonn.")),
        Reply(Tokens("Take an umbrella.")),
    )
    await chat.say("Weather?")
    assert texts(chat.shown()) == ["Weather?", "I look.", "It rains in Bonn."]
    thread = await chat.engine.store.load_thread(chat.owner, chat.thread_id)
    assert thread.title == "Weather in Bonn"
    await chat.say("So?")
    assert texts(chat.shown()) == ["So?", "Take an umbrella."]
    assert roles(upstream.requests[2].messages) == ["user", "assistant", "assistant", "user"]
    assert texts(await chat.items()) == [
        "Weather?",
        "I look.",
        "It rains in Bonn.",
        "So?",
        "Take an umbrella.",
    ]


async def test_a_client_tool_goes_to_the_page_and_back(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(
        Reply(Tokens("See the map."), ToolCall("show_map", {"place": "Bonn"})),
        Reply(Tokens("That is the Rhine.")),
    )
    await chat.say("Where?")
    call = chat.shown()[-1]
    assert (call["type"], call["status"], call["name"]) == (
        "client_tool_call",
        "pending",
        "show_map",
    )
    await chat.stream(
        "threads.add_client_tool_output", thread_id=chat.thread_id, result={"visible": True}
    )
    tool = upstream.requests[1].messages[-1]
    assert (tool["role"], tool["content"]) == ("tool", '{"visible": true}')
    assert texts(await chat.items()) == ["Where?", "See the map.", "That is the Rhine."]
    assert (await chat.items())[2]["status"] == "completed"


async def test_a_reasoning_workflow_goes_on_after_a_client_tool(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(
        Reply(Reasoning("Where is Bonn?"), ToolCall("show_map", {"place": "Bonn"})),
        Reply(Reasoning("There."), Tokens("On the Rhine.")),
    )
    await chat.say("Where?")
    first = await chat.items()
    assert [item["type"] for item in first] == ["user_message", "workflow", "client_tool_call"]
    assert "summary" not in first[1]["workflow"]
    await chat.stream("threads.add_client_tool_output", thread_id=chat.thread_id, result={})
    assert "error" not in chat.types()
    items = await chat.items()
    assert [item["type"] for item in items] == [
        "user_message",
        "workflow",
        "client_tool_call",
        "assistant_message",
    ]
    assert items[1]["id"] == first[1]["id"]
    assert items[1]["workflow"]["summary"] == {"duration": 0}
    assert items[1]["workflow"]["tasks"][0]["content"] == "Where is Bonn?"
    assert chat.shown(*first[:2]) == [first[0], *items[1:2], *items[3:]]


def third_word(event: JsonObject) -> bool:
    return "w3" in str(event.get("update", {}).get("delta"))


async def test_stop_ends_the_model_upstream_and_keeps_the_text(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(Reply(LONG), Reply(Tokens("Fresh start.")))
    await chat.say("Tell me all", third_word)
    gone = await upstream.disconnected(timeout=1.0)
    assert gone.tokens < 50
    partial = texts(await chat.items())[1]
    assert partial.startswith("w0 w1 w2 w3")
    await chat.say("Again")
    assert texts(chat.shown()) == ["Again", "Fresh start."]


async def test_stop_while_a_tool_waits_for_the_model_ends_it_too(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(Reply(ToolCall("weather", {"city": "Bonn"})), Reply(LONG))
    await chat.say("Weather?", third_word)
    assert (await upstream.disconnected(timeout=1.0)).tokens < 50


async def test_a_retry_answers_again_without_the_old_answer(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(Reply(Tokens("Wrong.")), Reply(Tokens("Right.")))
    await chat.say("Well?")
    asked = (await chat.items())[0]
    await chat.stream("threads.retry_after_item", thread_id=chat.thread_id, item_id=asked["id"])
    assert texts(await chat.items()) == ["Well?", "Right."]
    assert roles(upstream.requests[1].messages) == ["user"]


async def test_a_model_that_fails_in_mid_answer_leaves_what_was_read(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(
        Reply(Tokens("Half of it", delay=0.05), Pause(0.1), Fail()),
        HttpError(500),
        Reply(Tokens("Whole.")),
    )
    await chat.say("Well?")
    assert [event["code"] for event in chat.events if event["type"] == "error"] == ["stream.error"]
    assert "Half of it" in texts(await chat.items())
    await chat.say("Now?")
    assert [event["code"] for event in chat.events if event["type"] == "error"] == ["stream.error"]
    await chat.say("And now?")
    assert texts(chat.shown()) == ["And now?", "Whole."]


async def test_a_reload_shows_what_was_streamed(
    upstream: CompletionsServer, chat: Conversation
) -> None:
    upstream.script(Reply(Tokens("Something to keep.")))
    await chat.say("Well?")
    thread = await chat.json("threads.get_by_id", thread_id=chat.thread_id)
    assert thread["items"]["data"] == chat.shown()
