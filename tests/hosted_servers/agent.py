"""An assistant built as the official quickstart builds it, on a Chat Completions model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    RunContextWrapper,
    Runner,
    StopAtTools,
    function_tool,
)
from chatkit.agents import (
    AgentContext,
    ClientToolCall,
    simple_to_agent_input,
    stream_agent_response,
)
from chatkit.server import ChatKitServer
from chatkit.store import Store
from chatkit.types import ThreadMetadata, ThreadStreamEvent, UserMessageItem
from openai import AsyncOpenAI


@function_tool
async def weather(ctx: RunContextWrapper[AgentContext[Any]], city: str) -> str:
    """The weather in a city."""
    ctx.context.thread.title = f"Weather in {city}"
    return f"Rain in {city}"


@function_tool
async def show_map(ctx: RunContextWrapper[AgentContext[Any]], place: str) -> str:
    """Shows a place on the page's map."""
    ctx.context.client_tool_call = ClientToolCall(name="show_map", arguments={"place": place})
    return "shown"


class AssistantServer(ChatKitServer[dict[str, Any]]):
    """Answers with an agent that has a tool of its own and one of the page's."""

    def __init__(self, store: Store[dict[str, Any]], base_url: str) -> None:
        super().__init__(store)
        self.client = AsyncOpenAI(api_key="sk-test", base_url=base_url, max_retries=0)
        self.agent = Agent[AgentContext[dict[str, Any]]](
            name="Assistant",
            model=OpenAIChatCompletionsModel("test", self.client),
            tools=[weather, show_map],
            tool_use_behavior=StopAtTools(stop_at_tool_names=["show_map"]),
        )

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(
            thread.id, after=None, limit=20, order="desc", context=context
        )
        items = await simple_to_agent_input(list(reversed(page.data)))
        agent_context: AgentContext[dict[str, Any]] = AgentContext(
            thread=thread, store=self.store, request_context=context
        )
        result = Runner.run_streamed(self.agent, items, context=agent_context)
        async for event in stream_agent_response(agent_context, result):
            yield event
