"""What every language model promises: one request, a stream of typed deltas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What the model is asked; ``model`` overrides the client's own choice."""

    messages: Sequence[Message]
    model: str | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Answer text; everything that arrived in one read of the socket is one delta."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the model stopped: ``stop``, ``length``, ``content_filter``, ``tool_calls`` or its own word."""

    reason: str


Delta = TextDelta | ReasoningDelta | Refusal | Usage | Finish


@dataclass(frozen=True, slots=True, repr=False)
class ModelOptions:
    """How to reach the model. ``repr`` never shows the key. Times in seconds."""

    model: str
    base_url: str
    api_key: str | None = None
    connect_timeout: float = 10.0
    idle_timeout: float = 60.0
    extra_headers: dict[str, str] = field(default_factory=dict)


class Model(ABC):
    """A language model reached over one wire format."""

    name: str
    """As shown to operators: ``provider:model``."""

    @classmethod
    @abstractmethod
    def from_options(cls, options: ModelOptions) -> Model:
        """Opens it; no network until the first request."""

    @abstractmethod
    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """The answer as it comes.

        Raises ``ModelFailed`` for any failure: refused connection, an HTTP error (with the
        provider's own words when it gave some), an error in mid-stream, silence longer than the
        idle timeout, a stream that ends without saying so. Closing the iterator closes the
        connection, so that the model stops upstream.
        """

    async def close(self) -> None:
        """Lets go of connections."""
        return None
