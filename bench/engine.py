"""What the engine costs: CPU per token and per turn, with store, journal, turn log and framing on.

    scripts/bench engine

One process, SQLite on disk, 16 turns at once, each event framed as it would leave; no socket and no
model, so that only Parlour's own work is measured. Medians of rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from parlour.answer.base import Answerer, AnswerEvent, Question, Text
from parlour.app import Assembly, assemble
from parlour.chat.engine import Running
from parlour.context import Caller, RequestContext
from parlour.http.stream import SSE
from parlour.protocol import encode
from parlour.settings import Settings

ROUNDS = 5
CHATS = 16
TOKENS = 2000
TURNS = 50
CALLER = Caller("local:bench", "local")
QUESTION = {"content": [{"type": "input_text", "text": "How long is a piece of string?"}]}
BODY = encode({"type": "threads.create", "params": {"input": QUESTION}})


class Burst(Answerer):
    """So many tokens, as fast as they are taken; the loop gets its turn after every twenty."""

    tokens = TOKENS

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        for number in range(self.tokens):
            yield Text("token ")
            if number % 20 == 19:
                await asyncio.sleep(0)


async def ask(parts: Assembly) -> None:
    """One turn, read to its end."""
    started = await parts.engine.handle(BODY, RequestContext(CALLER))
    assert isinstance(started, Running)
    read = b""
    async for batch in parts.engine.read(CALLER.owner, started.turn_id):
        read = SSE.frame(started.turn_id, batch)
    assert b"thread.item.done" in read


async def measure(home: Path) -> tuple[float, float]:
    """CPU microseconds a token, and CPU milliseconds a turn of one token."""
    answerer = Burst()
    parts = await assemble(Settings(home=home), answerer=answerer)
    try:
        await ask(parts)
        began = time.process_time()
        await asyncio.gather(*(ask(parts) for _ in range(CHATS)))
        token = (time.process_time() - began) / (CHATS * TOKENS) * 1e6
        answerer.tokens = 1
        began = time.process_time()
        for _ in range(TURNS):
            await ask(parts)
        return token, (time.process_time() - began) / TURNS * 1e3
    finally:
        await parts.close()


def main() -> None:
    figures = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as home:
            figures.append(asyncio.run(measure(Path(home))))
    token, turn = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"CPU per token: {token:.1f} µs   CPU per turn of one token: {turn:.2f} ms")


if __name__ == "__main__":
    main()
