"""Every transcript of spec/transcripts/ ends with the items it says."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest

from parlour.chat.reduce import apply_event, apply_update
from parlour.protocol import JsonObject

TRANSCRIPTS = sorted(Path(__file__).parents[2].glob("spec/transcripts/*.jsonl"))


def read(path: Path) -> tuple[list[JsonObject], list[JsonObject]]:
    """The events, and the items they lead to."""
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return [line["event"] for line in lines[1:-1]], lines[-1]["items"]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_leads_to_its_items(path: Path) -> None:
    events, expected = read(path)
    items: list[JsonObject] = []
    for event in events:
        apply_event(items, event)
    assert items == expected


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_an_event_is_never_changed_by_a_later_one(path: Path) -> None:
    events, _ = read(path)
    untouched = deepcopy(events)
    items: list[JsonObject] = []
    for event in events:
        apply_event(items, event)
    assert events == untouched


def test_an_update_changes_the_item_it_was_given() -> None:
    item: JsonObject = {"id": "msg_1", "type": "assistant_message", "content": []}
    update = {
        "type": "assistant_message.content_part.text_delta",
        "content_index": 0,
        "delta": "Hi",
    }
    assert apply_update(item, update) is item
    assert item["content"][0]["text"] == "Hi"
