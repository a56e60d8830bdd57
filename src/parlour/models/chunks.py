"""Chat Completions chunks: the bytes of a stream become deltas."""

from __future__ import annotations

import msgspec

from parlour.errors import ModelFailed
from parlour.models.base import Delta, Finish, ReasoningDelta, Refusal, TextDelta, Usage
from parlour.models.failures import provider_words
from parlour.models.sse import DataLines

# The three kinds of text that a chunk can carry.
Kind = type[TextDelta] | type[ReasoningDelta] | type[Refusal]


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


class ChunkDecoder:
    """Decodes one answer; text that arrives together leaves together."""

    def __init__(self) -> None:
        self.ended = False
        """True once nothing more is to be read."""
        self._lines = DataLines()
        self._decode = msgspec.json.Decoder(_Chunk).decode
        self._kind: Kind = TextDelta
        self._texts: list[str] = []
        self._deltas: list[Delta] = []
        self._begun = False
        self._failure: ModelFailed | None = None
        self._finish: str | None = None
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> list[Delta]:
        """The deltas in these bytes. A failure among them ends the stream and is kept for ``close``."""
        try:
            for line in self._lines.feed(data):
                if line == b"[DONE]":
                    self._finish = self._finish or "stop"
                    self.ended = True
                    break
                if line:
                    self._take(self._decode(line))
        except ModelFailed as failure:
            self._failure, self.ended = failure, True
        except msgspec.DecodeError as cause:
            self._failure, self.ended = garbage(cause, begun=self._begun), True
        return self._drain()

    def close(self) -> list[Delta]:
        """What there is to say at the end: the usage if it was given, and the finish.

        Raises ``ModelFailed`` when the stream failed, or ended without saying so.
        """
        if self._failure is not None:
            raise self._failure
        if self._finish is None:
            raise ModelFailed(
                "The model's answer broke off before it was finished.",
                hint="Ask again; if it happens often, look for a proxy that cuts long responses.",
            )
        return [*([self._usage] if self._usage else []), Finish(self._finish)]

    def _take(self, chunk: _Chunk) -> None:
        if chunk.error is not None:
            raise ModelFailed(f"The model's provider reports: {provider_words(chunk.error)}")
        if chunk.choices:
            self._begun = True
            choice = chunk.choices[0]
            delta = choice.delta
            if delta is not None:
                if delta.content:
                    self._add(TextDelta, delta.content)
                elif thought := delta.reasoning_content or delta.reasoning:
                    self._add(ReasoningDelta, thought)
                if delta.refusal:
                    self._add(Refusal, delta.refusal)
            if choice.finish_reason:
                self._finish = choice.finish_reason
        if chunk.usage is not None:
            self._usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)

    def _add(self, kind: Kind, text: str) -> None:
        if kind is not self._kind:
            self._flush()
            self._kind = kind
        self._texts.append(text)

    def _flush(self) -> None:
        if self._texts:
            self._deltas.append(self._kind("".join(self._texts)))
            self._texts = []

    def _drain(self) -> list[Delta]:
        self._flush()
        deltas, self._deltas = self._deltas, []
        return deltas


def garbage(cause: Exception, *, begun: bool) -> ModelFailed:
    """Nonsense; asking again may help where the answer had ``begun`` as it should."""
    return ModelFailed(
        f"The model sent something that is not a Chat Completions chunk ({cause}).",
        hint="Check that OPENAI_BASE_URL is a Chat Completions endpoint.",
        retryable=begun,
    )
