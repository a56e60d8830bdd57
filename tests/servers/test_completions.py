"""The server speaks Chat Completions as the official clients understand it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai import APIError, APIStatusError, AsyncOpenAI

from tests.servers.completions import (
    CompletionsServer,
    Fail,
    HttpError,
    Reasoning,
    Refuse,
    Reply,
    Tokens,
    ToolCall,
)


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with CompletionsServer() as server:
        yield server


@pytest.fixture
async def client(server: CompletionsServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="sk-test", base_url=server.url, max_retries=0) as client:
        yield client


async def test_the_official_client_streams_text_finish_and_usage(
    server: CompletionsServer, client: AsyncOpenAI
) -> None:
    stream = await client.chat.completions.create(
        model="gpt-test",
        messages=[{"role": "user", "content": "Grüß Gott, 世界"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "Grüß Gott, 世界"
    assert choices[0].delta.role == "assistant"
    assert choices[-1].finish_reason == "stop"
    assert {chunk.model for chunk in chunks} == {"gpt-test"}
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert server.requests[0].headers["authorization"] == "Bearer sk-test"


async def test_the_official_client_reads_split_writes_and_crlf(
    server: CompletionsServer, client: AsyncOpenAI
) -> None:
    server.script(Reply(Tokens("né à 東京 😀"), split=3, newline="\r\n"))
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    text = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(text) == "né à 東京 😀"


async def test_the_official_client_puts_streamed_tool_arguments_together(
    server: CompletionsServer, client: AsyncOpenAI
) -> None:
    server.script(Reply(Reasoning("hm"), Refuse("no"), ToolCall("weather", {"city": "Köln"})))
    async with client.chat.completions.stream(
        model="m",
        messages=[{"role": "user", "content": "x"}],
    ) as stream:
        final = await stream.get_final_completion()
    message = final.choices[0].message
    assert final.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == '{"city": "K\\u00f6ln"}'
    assert message.refusal == "no"


async def test_the_official_client_sees_our_errors_as_its_own(
    server: CompletionsServer, client: AsyncOpenAI
) -> None:
    server.script(HttpError(401, "Incorrect API key.", code="invalid_api_key"), Reply(Fail("Boom")))
    with pytest.raises(APIStatusError, match="Incorrect API key") as refused:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert refused.value.status_code == 401
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    with pytest.raises(APIError, match="Boom"):
        [chunk async for chunk in stream]


async def test_an_answer_in_one_piece_is_the_same_answer(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "one two"}]
    )
    assert whole.choices[0].message.content == "one two"


async def test_a_client_that_leaves_is_recorded_with_what_it_had_been_sent(
    server: CompletionsServer, client: AsyncOpenAI
) -> None:
    server.script(Reply(Tokens("word " * 100, delay=0.02)))
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    left = await server.disconnected(timeout=1)
    assert 1 <= left.tokens < 20


async def test_rules_come_before_the_script(server: CompletionsServer, client: AsyncOpenAI) -> None:
    server.script("first", "second")
    server.when(lambda request: request.body.get("max_tokens") == 24, "A title")

    async def ask(limit: int | None) -> str | None:
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], max_tokens=limit
        )
        return answer.choices[0].message.content

    assert [await ask(24), await ask(9), await ask(24), await ask(9), await ask(9)] == [
        "A title",
        "first",
        "A title",
        "second",
        "second",
    ]
