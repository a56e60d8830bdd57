"""The shipped contract, for every model in the table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from parlour.models import MODELS
from parlour.models.base import Message, Model, ModelOptions
from parlour.models.contract import SECRET, ModelContract, Upstream
from tests.servers.completions import (
    CompletionsServer,
    Cut,
    Fail,
    HttpError,
    Reply,
    Stall,
    Tokens,
)


class CompletionsUpstream(Upstream):
    """The Chat Completions server, told in the contract's words."""

    def __init__(self, server: CompletionsServer) -> None:
        self.server = server

    def says(self, tokens: Sequence[str], *, delay: float = 0.0, finish: str = "stop") -> None:
        self.server.script(Reply(Tokens(tokens, delay), finish=finish))

    def splits(self, tokens: Sequence[str]) -> None:
        self.server.script(Reply(Tokens(tokens), split=1))

    def refuses(self, status: int, words: str, *, times: int | None = None) -> None:
        error = HttpError(status, words)
        self.server.script(*([error] * times + ["fine"] if times else [error]))

    def breaks(self, tokens: Sequence[str]) -> None:
        self.server.script(Reply(Tokens(tokens), Cut()))

    def stalls(self, tokens: Sequence[str]) -> None:
        self.server.script(Reply(Tokens(tokens), Stall()))

    def errs(self, tokens: Sequence[str], words: str) -> None:
        self.server.script(Reply(Tokens(tokens), Fail(words)))

    def requests(self) -> list[list[Message]]:
        return [
            [Message(message["role"], message["content"]) for message in request.messages]
            for request in self.server.requests
        ]

    async def left_after(self) -> int:
        return (await self.server.disconnected(timeout=1)).tokens


UPSTREAMS: dict[str, Callable[[CompletionsServer], Upstream]] = {"openai": CompletionsUpstream}


@pytest.fixture(params=sorted(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with CompletionsServer() as server:
        yield server


@pytest.fixture
async def upstream(name: str, server: CompletionsServer) -> Upstream:
    return UPSTREAMS[name](server)


@pytest.fixture
async def model(name: str, server: CompletionsServer) -> AsyncIterator[Model]:
    options = ModelOptions("test", server.url, api_key=SECRET, idle_timeout=1)
    model = MODELS.load(name).from_options(options)
    yield model
    await model.close()


class TestEveryModel(ModelContract):
    """Every name in the table keeps the contract."""
