"""What is peculiar to Chat Completions, and to the endpoints that speak it in their own way."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from parlour.errors import ModelFailed
from parlour.models.base import (
    Delta,
    Finish,
    Message,
    ModelOptions,
    ModelRequest,
    ReasoningDelta,
    Refusal,
    TextDelta,
)
from parlour.models.completions import CompletionsModel
from parlour.models.contract import collect, text_of, until_failure
from parlour.models.sse import MAX_LINE_BYTES
from tests.servers.completions import (
    Comment,
    CompletionsServer,
    Cut,
    HttpError,
    Pause,
    Raw,
    Reasoning,
    Refuse,
    Reply,
    Stall,
    Tokens,
)

KEY = "sk-test-abcdefgh0123"


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with CompletionsServer() as server:
        yield server


@pytest.fixture
async def model(server: CompletionsServer) -> AsyncIterator[CompletionsModel]:
    model = CompletionsModel(ModelOptions("gpt-test", server.url, KEY, idle_timeout=1))
    yield model
    await model.close()


async def failure_of(model: CompletionsModel) -> ModelFailed:
    with pytest.raises(ModelFailed) as failed:
        await collect(model)
    return failed.value


async def short(model: CompletionsModel) -> list[Delta]:
    request = ModelRequest([Message("user", "Hi")], max_tokens=24)
    async with aclosing(model.stream(request)) as deltas:
        return [delta async for delta in deltas]


async def test_the_request_is_what_the_endpoint_expects(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    await collect(model)
    request = server.requests[0]
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "gpt-test",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_without_a_key_no_credentials_are_sent(server: CompletionsServer) -> None:
    model = CompletionsModel(ModelOptions("m", server.url + "/"))
    await collect(model)
    await model.close()
    assert "authorization" not in server.requests[0].headers


async def test_one_connection_serves_one_answer_after_the_other(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    for _turn in range(5):
        await collect(model)
    assert server.connections == 1


async def test_reasoning_and_refusals_are_kept_apart_from_text(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Reasoning("Let me think."), Tokens("Well."), Refuse("I won't.")))
    deltas = await collect(model)
    assert deltas[:3] == [
        ReasoningDelta("Let me think."),
        TextDelta("Well."),
        Refusal("I won't."),
    ]


async def test_comments_crlf_and_foreign_fields_do_not_show(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(
        Reply(
            Comment(),
            Raw(b"event: ping\r\nid: 7\r\nretry: 10\r\ndata:\r\n\r\n"),
            Tokens("Hello there"),
            Comment("data: no"),
            newline="\r\n",
        )
    )
    assert text_of(await collect(model)) == "Hello there"


async def test_comments_count_as_life(server: CompletionsServer, model: CompletionsModel) -> None:
    steps = [step for _ in range(5) for step in (Pause(0.3), Comment())]
    server.script(Reply(*steps, Tokens("Late.")))
    assert text_of(await collect(model)) == "Late."


async def test_a_line_of_300_kilobytes_is_read(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Tokens(["ä" * 150_000])))
    assert text_of(await collect(model)) == "ä" * 150_000


async def test_a_line_without_end_is_refused(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Tokens("One."), Raw(b"data: " + b"x" * (MAX_LINE_BYTES + 10)), Stall()))
    text, failure = await until_failure(model)
    assert text == "One."
    assert "4,000,000 bytes" in failure.message


async def test_a_missing_done_is_no_failure_when_the_finish_was_said(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Tokens("All of it."), done=False))
    deltas = await collect(model)
    assert text_of(deltas) == "All of it."
    assert deltas[-1] == Finish("stop")


async def test_a_stream_that_just_ends_is_a_failure(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Tokens("Some of"), finish=None, done=False))
    text, failure = await until_failure(model)
    assert text == "Some of"
    assert "broke off" in failure.message


@pytest.mark.parametrize(
    "line", [b"data: {oops\n\n", b'data: {"choices": 7}\n\n', b"data: \xff\n\n"]
)
async def test_garbage_is_a_failure_after_the_text_before_it(
    server: CompletionsServer, model: CompletionsModel, line: bytes
) -> None:
    server.script(Reply(Tokens("Before"), Raw(line), Tokens("after")))
    text, failure = await until_failure(model)
    assert text == "Before"
    assert "not a Chat Completions chunk" in failure.message
    assert failure.retryable


async def test_a_server_that_does_not_know_stream_options_is_asked_without_them_from_then_on(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    unknown = HttpError(400, "Unrecognized request argument supplied: stream_options")
    server.when(lambda request: "stream_options" in request.body, unknown)
    assert text_of(await collect(model)) == "Hi"
    assert text_of(await collect(model)) == "Hi"
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


async def test_a_limit_is_sent_under_the_name_the_model_takes(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    renamed = HttpError(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
    )
    server.when(lambda request: "max_tokens" in request.body, renamed)
    assert text_of(await short(model)) == "Hi"
    assert text_of(await short(model)) == "Hi"
    assert [request.body.get("max_completion_tokens") for request in server.requests] == [
        None,
        24,
        24,
    ]


async def test_any_other_bad_request_is_told_and_not_repeated(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(HttpError(400, "The model `gpt-test` does not exist", code="model_not_found"))
    failure = await failure_of(model)
    assert "does not exist" in failure.message
    assert len(server.requests) == 1


async def test_retry_after_is_honoured(server: CompletionsServer, model: CompletionsModel) -> None:
    server.script(HttpError(429, "Slow down", retry_after="0.7"), "fine")
    began = time.monotonic()
    assert text_of(await collect(model)) == "fine"
    assert time.monotonic() - began > 0.7


async def test_a_long_retry_after_is_not_waited_for(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(HttpError(429, "Slow down", retry_after="60"))
    began = time.monotonic()
    failure = await failure_of(model)
    assert failure.retryable
    assert time.monotonic() - began < 1


async def test_an_empty_account_is_not_asked_again(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(HttpError(429, "You exceeded your current quota", code="insufficient_quota"))
    failure = await failure_of(model)
    assert not failure.retryable
    assert len(server.requests) == 1


async def test_a_proxys_page_is_told_by_its_title(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    page = "<html><head><title>403 Forbidden</title></head><body>" + "<p>x" * 50_000
    server.script(HttpError(403, html=page))
    failure = await failure_of(model)
    assert failure.message == "The model's provider answered 403: 403 Forbidden"


async def test_a_page_instead_of_a_stream_is_told(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(HttpError(200, html="<title>Welcome</title>"))
    failure = await failure_of(model)
    assert "not with a stream" in failure.message


async def test_a_redirect_is_told_and_not_followed(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(HttpError(301, html=""))
    failure = await failure_of(model)
    assert "redirects" in failure.message
    assert len(server.requests) == 1


async def test_long_words_are_trimmed_and_keys_and_accounts_left_out(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(HttpError(401, f"Key {KEY} (sk-ab***yz) of org-AbC123 is wrong. " + "x" * 5000))
    failure = await failure_of(model)
    assert failure.message.startswith("The model's provider answered 401: Key … (…) of … is wrong.")
    assert len(failure.message) < 400


async def test_a_refused_connection_says_where_and_what_to_check() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = CompletionsModel(ModelOptions("m", f"http://127.0.0.1:{port}/v1", KEY))
    failure = await failure_of(model)
    await model.close()
    assert f"No connection to 127.0.0.1:{port}" in failure.message
    assert "OPENAI_BASE_URL" in failure.hint


async def test_an_address_that_is_none_is_told() -> None:
    model = CompletionsModel(ModelOptions("m", "api.example.com/v1"))
    failure = await failure_of(model)
    await model.close()
    assert "is not an address" in failure.message


async def test_silence_before_the_first_byte_is_not_asked_again(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Stall()))
    failure = await failure_of(model)
    assert "silent for 1 s" in failure.message
    assert len(server.requests) == 1


async def test_after_a_failure_the_next_answer_is_whole(
    server: CompletionsServer, model: CompletionsModel
) -> None:
    server.script(Reply(Tokens("half"), Cut()), "whole")
    await until_failure(model)
    assert text_of(await collect(model)) == "whole"


async def test_the_options_never_show_the_key(model: CompletionsModel) -> None:
    options = ModelOptions("m", "http://x", KEY)
    assert KEY not in repr(options)
    assert KEY not in repr(model)


async def test_the_environments_proxy_is_used_with_our_own_credentials(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "localhost")
    model = CompletionsModel(ModelOptions("m", "http://model.example/v1", KEY))
    assert text_of(await collect(model)) == "Hi"
    await model.close()
    assert server.requests[0].path == "http://model.example/v1/chat/completions"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
