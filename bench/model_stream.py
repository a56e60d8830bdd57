"""CPU per token of our Chat Completions client beside the official one.

Both read the same answers from the same local server, which runs in a process of its own, in
interleaved rounds; every answer's text is checked. ``burst``: 16 answers at once, as fast as they
come. ``paced``: 50 answers at once, 50 tokens a second each.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import uvloop
from openai import AsyncOpenAI

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers.completions import CompletionsServer, Raw, Reply, Request, Tokens
from tests.servers.replies import Frames

from parlour.models.base import Message, ModelOptions, ModelRequest, TextDelta
from parlour.models.completions import CompletionsModel

BURST = [f" token{number % 100}" for number in range(2_000)]
PACED = [f" token{number % 100}" for number in range(150)]
PACE = 0.02

Client = Callable[[str], Awaitable[str]]


def serve(port: Connection) -> None:
    """The server, until the other end of the pipe closes."""
    request = Request("", {}, {"model": "bench", "stream_options": {"include_usage": True}})
    frames = Frames(Reply(), request)
    burst = Reply(Raw(b"".join(frames.delta({"content": token}) for token in BURST)))
    with CompletionsServer() as server:
        server.script(burst)
        server.when(lambda asked: asked.body["model"] == "paced", Reply(Tokens(PACED, PACE)))
        port.send(server.url)
        try:
            port.recv()
        except EOFError:
            return


class Clients:
    """Three ways to read an answer: the bytes alone, ours, and the official client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = aiohttp.ClientSession()
        self.models = {
            name: CompletionsModel(ModelOptions(name, url, "sk-bench"))
            for name in ("burst", "paced")
        }
        self.official = AsyncOpenAI(api_key="sk-bench", base_url=url, max_retries=0)

    async def close(self) -> None:
        await self.session.close()
        for model in self.models.values():
            await model.close()
        await self.official.close()

    async def read_bytes(self, kind: str) -> str:
        """The least that any client on aiohttp can do."""
        body = {"model": kind, "messages": [{"role": "user", "content": "x"}], "stream": True}
        async with self.session.post(self.url + "/chat/completions", json=body) as response:
            while await response.content.readany():
                pass
        return ""

    async def read_ours(self, kind: str) -> str:
        request = ModelRequest([Message("user", "x")])
        texts = []
        async with aclosing(self.models[kind].stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    texts.append(delta.text)
        return "".join(texts)

    async def read_official(self, kind: str) -> str:
        texts = []
        stream = await self.official.chat.completions.create(
            model=kind,
            messages=[{"role": "user", "content": "x"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            for choice in chunk.choices:
                texts.append(choice.delta.content or "")
        return "".join(texts)


async def cpu_per_token(client: Client, kind: str, answers: int) -> float:
    """Microseconds of this process's CPU time for each token."""
    tokens = BURST if kind == "burst" else PACED
    began = time.process_time()
    texts = await asyncio.gather(*(client(kind) for _ in range(answers)))
    spent = time.process_time() - began
    assert set(texts) <= {"", "".join(tokens)}, "an answer is not what was sent"
    return spent / (answers * len(tokens)) * 1e6


async def measure(url: str, rounds: int) -> None:
    clients = Clients(url)
    ways: dict[str, Client] = {
        "bytes only": clients.read_bytes,
        "parlour": clients.read_ours,
        "openai SDK": clients.read_official,
    }
    kinds = {"burst": 16, "paced": 50}
    found: dict[tuple[str, str], list[float]] = {}
    for round_number in range(rounds + 1):
        for kind, answers in kinds.items():
            for name, client in ways.items():
                cost = await cpu_per_token(client, kind, answers)
                if round_number:  # The first round is for warming up.
                    found.setdefault((name, kind), []).append(cost)
    await clients.close()
    print(f"CPU per token, median of {rounds} interleaved rounds, ratio to parlour\n")
    print(f"{'client':<12}" + "".join(f"{kind + ' µs':>12}{'ratio':>8}" for kind in kinds))
    for name in ways:
        cells = ""
        for kind in kinds:
            cost = statistics.median(found[name, kind])
            ours = statistics.median(found["parlour", kind])
            cells += f"{cost:>12.2f}{cost / ours:>8.2f}"
        print(f"{name:<12}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=serve, args=(there,), daemon=True)
    process.start()
    there.close()
    uvloop.run(measure(here.recv(), rounds))
    here.close()
    process.join(10)


if __name__ == "__main__":
    main()
