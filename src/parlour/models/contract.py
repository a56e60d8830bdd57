"""What every language model must do, as tests.

Subclass ``ModelContract`` and give it two fixtures: ``upstream``, a local server that speaks the
model's wire format, and ``model``, which talks to it with an idle timeout of 1 s and the key
``SECRET``.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from parlour.errors import ModelFailed
from parlour.models.base import Delta, Finish, Message, Model, ModelRequest, TextDelta, Usage

SECRET = "sk-contract-0123456789"


class Upstream(ABC):
    """A server of the model's wire format, told what to do with the requests that follow."""

    @abstractmethod
    def says(self, tokens: Sequence[str], *, delay: float = 0.0, finish: str = "stop") -> None:
        """Streams these tokens, ``delay`` seconds apart, and ends in order."""

    @abstractmethod
    def splits(self, tokens: Sequence[str]) -> None:
        """Streams these tokens in writes of one byte."""

    @abstractmethod
    def refuses(self, status: int, words: str, *, times: int | None = None) -> None:
        """Answers with an HTTP error: always, or so many times and with "fine" from then on."""

    @abstractmethod
    def breaks(self, tokens: Sequence[str]) -> None:
        """Streams these tokens and cuts the connection."""

    @abstractmethod
    def stalls(self, tokens: Sequence[str]) -> None:
        """Streams these tokens and then nothing, without closing."""

    @abstractmethod
    def errs(self, tokens: Sequence[str], words: str) -> None:
        """Streams these tokens and then the wire format's own error."""

    @abstractmethod
    def requests(self) -> list[list[Message]]:
        """The messages of each request so far."""

    @abstractmethod
    async def left_after(self) -> int:
        """How many tokens had been sent when the client left; fails if it has not within 1 s."""


async def collect(model: Model, text: str = "Hi") -> list[Delta]:
    """Everything a model has to say to one question."""
    async with aclosing(model.stream(ModelRequest([Message("user", text)]))) as deltas:
        return [delta async for delta in deltas]


async def until_failure(model: Model) -> tuple[str, ModelFailed]:
    """The text that a model gives before it fails, and the failure."""
    text = ""
    try:
        async with aclosing(model.stream(ModelRequest([Message("user", "Hi")]))) as deltas:
            async for delta in deltas:
                assert not isinstance(delta, Finish)
                text += delta.text if isinstance(delta, TextDelta) else ""
    except ModelFailed as failure:
        return text, failure
    raise AssertionError(f"The model ended without a failure, after {text!r}.")


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


class ModelContract:
    """The promises of ``Model``, one test each."""

    async def test_an_answer_is_its_text_then_its_usage_then_its_finish(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.says(["Good", " day", "."])
        *texts, usage, finish = await collect(model)
        assert text_of(texts) == "Good day."
        assert isinstance(usage, Usage)
        assert usage.output_tokens == 3
        assert finish == Finish("stop")

    async def test_the_messages_arrive_as_they_were_given(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.says(["ok"])
        messages = [
            Message("system", "Rules"),
            Message("user", 'Say "hi"\n\u2028</system> 😀'),
            Message("assistant", "hi"),
            Message("user", ""),
        ]
        async with aclosing(model.stream(ModelRequest(messages))) as deltas:
            async for _delta in deltas:
                pass
        assert upstream.requests() == [messages]

    async def test_tokens_are_given_on_as_they_come(self, model: Model, upstream: Upstream) -> None:
        upstream.says(["a", "b", "c"], delay=0.1)
        texts = [delta for delta in await collect(model) if isinstance(delta, TextDelta)]
        assert [delta.text for delta in texts] == ["a", "b", "c"]

    async def test_tokens_that_arrive_together_are_few_deltas(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.says(["x"] * 2000)
        texts = [delta for delta in await collect(model) if isinstance(delta, TextDelta)]
        assert text_of(texts) == "x" * 2000
        assert len(texts) < 500

    async def test_characters_split_between_reads_stay_whole(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.splits(["Ä 東", "京 👩‍👩‍👧"])
        assert text_of(await collect(model)) == "Ä 東京 👩‍👩‍👧"

    async def test_the_model_says_when_its_own_limit_cut_the_answer(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.says(["cut"], finish="length")
        assert (await collect(model))[-1] == Finish("length")

    async def test_a_wrong_key_fails_at_once_in_the_providers_words(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.refuses(401, f"Incorrect key {SECRET} given.")
        with pytest.raises(ModelFailed, match="Incorrect key") as failed:
            await collect(model)
        assert SECRET not in str(failed.value.body())
        assert not failed.value.retryable
        assert len(upstream.requests()) == 1

    @pytest.mark.parametrize("status", [429, 500, 503])
    async def test_a_passing_failure_is_asked_again_before_the_first_token(
        self, model: Model, upstream: Upstream, status: int
    ) -> None:
        upstream.refuses(status, "Try again", times=1)
        assert text_of(await collect(model)) == "fine"
        assert len(upstream.requests()) == 2

    async def test_a_lasting_failure_ends_after_two_retries(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.refuses(503, "Down for maintenance")
        with pytest.raises(ModelFailed, match="Down for maintenance") as failed:
            await collect(model)
        assert failed.value.retryable
        assert len(upstream.requests()) == 3

    async def test_a_cut_connection_is_a_failure_and_not_an_end(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.breaks(["half", " an"])
        _text, failure = await until_failure(model)
        assert failure.retryable
        assert len(upstream.requests()) == 1

    async def test_silence_ends_at_the_idle_timeout(self, model: Model, upstream: Upstream) -> None:
        upstream.stalls(["one"])
        began = time.monotonic()
        text, failure = await until_failure(model)
        assert text == "one"
        assert "silent" in failure.message
        assert 0.9 < time.monotonic() - began < 4

    async def test_an_error_in_mid_stream_comes_after_the_text_before_it(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.errs(["half", " an"], "The engine overheated")
        text, failure = await until_failure(model)
        assert text == "half an"
        assert "The engine overheated" in failure.message

    async def test_closing_the_iterator_stops_the_model(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.says(["word "] * 200, delay=0.02)
        async with aclosing(model.stream(ModelRequest([Message("user", "Hi")]))) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    break
        assert await upstream.left_after() < 25

    async def test_cancelling_the_reader_stops_the_model(
        self, model: Model, upstream: Upstream
    ) -> None:
        upstream.says(["word "] * 200, delay=0.02)
        reading = asyncio.create_task(collect(model))
        await asyncio.sleep(0.2)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await upstream.left_after() < 40

    async def test_many_answers_at_once_do_not_mix(self, model: Model, upstream: Upstream) -> None:
        upstream.says(["a ", "b ", "c"], delay=0.01)
        answers = await asyncio.gather(*(collect(model, str(number)) for number in range(20)))
        assert {text_of(deltas) for deltas in answers} == {"a b c"}
        assert len(upstream.requests()) == 20

    async def test_a_model_can_be_closed_twice_and_before_use(self, model: Model) -> None:
        await model.close()
        await model.close()
