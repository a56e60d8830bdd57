"""What an answerer streams is what a visitor is shown, and what is there after a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from parlour.answer.base import Emit
from parlour.chat.engine import Engine
from parlour.chat.reduce import apply_event
from parlour.protocol import JsonObject
from tests.chat.test_reduce import TRANSCRIPTS
from tests.chat.test_reduce import read as transcript
from tests.servers.answerers import Scripted, emit
from tests.servers.asking import ask, first, items, read

PER_TURN = ("thread.created", "thread.updated", "stream_options")
"""What the engine says itself, once a turn."""


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_every_event_is_shown_and_what_it_leads_to_is_kept(
    engine: Engine, answerer: Scripted, path: Path
) -> None:  # 45-50, 57-68, 91
    events, expected = transcript(path)
    answerer.answer_with = emit(*(Emit(e) for e in events if e["type"] not in PER_TURN))
    turn = await ask(engine, "hi")
    created = await first(engine, turn, "thread.created")
    shown: list[JsonObject] = []
    for event in await read(engine, turn):
        if event["type"] != "text":
            apply_event(shown, event)
    everything = await items(engine, created["thread"]["id"])
    assert {item["id"] for item in shown} == {item["id"] for item in everything}
    kept = [item for item in everything[1:] if "outcome" not in item]  # some tell of an error
    assert sorted(kept, key=_id) == sorted(expected, key=_id)
    done = {event["item"]["id"] for event in events if event["type"] == "thread.item.done"}
    assert [i["id"] for i in kept if i["id"] in done] == [
        item["id"] for item in expected if item["id"] in done
    ]


def _id(item: JsonObject) -> str:
    return str(item["id"])
