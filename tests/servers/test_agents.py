"""Agents of the openai-agents SDK run against the server, function tools included."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    StopAtTools,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.servers.completions import CompletionsServer, Reply, Tokens, ToolCall


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}"


@function_tool
def show_map(place: str) -> str:
    """Shows a place on the page's map."""
    return "asked the page"


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    set_tracing_disabled(True)
    async with CompletionsServer() as server:
        yield server


async def run(agent: Agent[None], text: str) -> str:
    result = Runner.run_streamed(agent, text)
    async for _event in result.stream_events():
        pass
    return str(result.final_output)


async def test_a_function_tool_goes_there_and_back(server: CompletionsServer) -> None:
    server.script(Reply(ToolCall("weather", {"city": "Köln"})), Reply(Tokens("It rains in Köln.")))
    async with AsyncOpenAI(api_key="sk-test", base_url=server.url) as client:
        model = OpenAIChatCompletionsModel("test", client)
        agent = Agent(name="a", model=model, tools=[weather])
        assert await run(agent, "Weather?") == "It rains in Köln."
    tool = server.requests[1].messages[-1]
    assert tool == {
        "role": "tool",
        "tool_call_id": "call_0123456789abcdef",
        "content": "Rain in Köln",
    }


async def test_a_client_tool_stops_the_agent(server: CompletionsServer) -> None:
    server.script(Reply(ToolCall("show_map", {"place": "Bonn"})))
    async with AsyncOpenAI(api_key="sk-test", base_url=server.url) as client:
        agent = Agent(
            name="a",
            model=OpenAIChatCompletionsModel("test", client),
            tools=[show_map],
            tool_use_behavior=StopAtTools(stop_at_tool_names=["show_map"]),
        )
        assert await run(agent, "Show me Bonn") == "asked the page"
    assert len(server.requests) == 1
