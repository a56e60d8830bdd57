"""A model that refuses, breaks off, stalls or talks nonsense, or cannot be reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Arriving, Serving
from tests.faults.fleet import Server
from tests.faults.promises import hold
from tests.faults.witness import Seen, Witness
from tests.servers.completions import (
    CompletionsServer,
    Cut,
    HttpError,
    Pause,
    Raw,
    Reply,
    Request,
    Stall,
    Step,
    Tokens,
)
from tests.servers.dictated import Order
from tests.services.cutter import Cutter

IDLE = 1.5
ORDER = Order("broken", words=40)


@pytest.fixture
def model() -> Iterator[CompletionsServer]:
    """A model that answers orders, and titles with one word."""
    with CompletionsServer() as model:
        model.when(lambda request: request.body.get("max_tokens") is not None, "Title")
        model.script(dictated)
        yield model


def ordered(request: Request) -> Order:
    """What the newest question orders."""
    order = Order.read({"content": [{"text": request.last_user}]})
    assert order, request.last_user
    return order


def dictated(request: Request) -> Reply:
    """The whole answer to an order."""
    order = ordered(request)
    return Reply(Tokens([order.word(0, number) for number in range(order.words)], order.delay))


def half(*then: Step, **form: object) -> Reply:
    """Half of the answer to ``ORDER``, and then something else."""
    words = [ORDER.word(0, number) for number in range(ORDER.words // 2)]
    return Reply(Tokens(words, ORDER.delay), *then, **form)  # type: ignore[arg-type]


@pytest.fixture
def server(serving: Serving, model: CompletionsServer) -> Server:
    return serving_model(serving, model.url)


def serving_model(serving: Serving, url: str) -> Server:
    return serving(
        answerer=None, openai_base_url=url, model="tiny", answer="model", model_idle_timeout=IDLE
    )


async def asked(witness: Witness, server: Server) -> Seen:
    """The question that meets the fault; whatever comes, its stream ends well within a minute."""
    async with asyncio.timeout(40):
        seen = await witness.ask(server.url, ORDER)
    assert seen.ended, (seen.broken, seen.refused)
    return seen


@pytest.mark.parametrize(
    "reply",
    [
        half(Cut()),
        half(finish=None, done=False),
        half(Stall()),
        half(Raw(b"data: {this is not JSON\n\n")),
        half(Raw(b'data: {"choices": 7}\n\n')),
        half(Raw(b'data: {"error": {"message": "overloaded", "code": 529}}\n\n'), done=False),
        half(Raw(b"\xff\xfe\x00 nothing anybody knows \n\n" * 9), Cut()),
    ],
    ids=["cut", "unfinished", "stalled", "not-json", "odd-json", "error", "bytes"],
)
async def test_half_an_answer_of_a_model_is_kept_and_marked(
    server: Server, arrive: Arriving, model: CompletionsServer, reply: Reply
) -> None:
    model.script(reply, dictated)
    witness = await arrive(server.url)
    seen = await asked(witness, server)
    assert seen.marks == ["failed"]
    assert [error["allow_retry"] for error in seen.errors] == [True]
    assert any(seen.texts.values())
    await hold(witness, server.url)


@pytest.mark.parametrize("status", [429, 500])
async def test_a_model_that_refuses_for_a_moment_is_asked_again(
    server: Server, arrive: Arriving, model: CompletionsServer, status: int
) -> None:
    model.script(HttpError(status, "Too much."), dictated)
    witness = await arrive(server.url)
    seen = await asked(witness, server)
    assert seen.finished
    await hold(witness, server.url)


@pytest.mark.parametrize("status", [429, 500])
async def test_a_model_that_refuses_for_good_is_said_and_the_next_turn_works(
    server: Server, arrive: Arriving, model: CompletionsServer, status: int
) -> None:
    model.script(HttpError(status, "Too much."))
    witness = await arrive(server.url)
    seen = await witness.ask(server.url, Order("refused"))
    assert seen.ended
    assert not seen.errors, "the pages answer in its place"
    witness.elsewhere.add("refused")
    model.script(dictated)
    await hold(witness, server.url)


async def test_a_silent_model_is_given_up_after_its_time_and_not_before(
    server: Server, arrive: Arriving, model: CompletionsServer
) -> None:
    model.script(half(Pause(IDLE * 0.5), Tokens("", 0), Stall()), dictated)
    witness = await arrive(server.url)
    seen = await asked(witness, server)
    lasted = seen.over_at - seen.asked_at
    assert IDLE * 1.5 < lasted < IDLE * 1.5 + 15
    assert (await model.disconnected(5)).tokens >= ORDER.words // 2
    await hold(witness, server.url)


@pytest.mark.parametrize("fault", ["cut", "stall", "swallow"])
async def test_a_cut_between_server_and_model_costs_half_an_answer_and_no_more(
    serving: Serving, arrive: Arriving, model: CompletionsServer, fault: str
) -> None:
    with Cutter(model.url).standing() as network:
        server = serving_model(serving, network.url)
        witness = await arrive(server.url)
        seen, asking = witness.begin(server.url, Order("cut", words=200))
        await seen.until(lambda seen: seen.length > 100)
        getattr(network, fault)()
        struck = time.monotonic()
        async with asyncio.timeout(IDLE + 20):
            await asking
        assert seen.ended
        assert seen.marks == ["failed"]
        network.cut(refuse=False)
        network.mend()
        await hold(witness, server.url, fault=struck)
