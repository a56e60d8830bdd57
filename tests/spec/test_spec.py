"""What Python and TypeScript agree on is complete, well formed and official."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from chatkit.types import ThreadItem, ThreadItemUpdate, ThreadStreamEvent
from pydantic import BaseModel, TypeAdapter

from parlour.protocol import HIDDEN_TYPES, JsonObject

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = sorted(ROOT.glob("spec/transcripts/*.jsonl"))

event_type = TypeAdapter[ThreadStreamEvent](ThreadStreamEvent)
item_type = TypeAdapter[ThreadItem](ThreadItem)


def read(path: Path) -> list[JsonObject]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


OFFICIAL = [path for path in TRANSCRIPTS if read(path)[0].get("official", True)]


def literal_types(union: Any) -> set[str]:  # noqa: ANN401 - a typing form has no static type
    """The ``type`` of every member of a union of the SDK's models, annotated or not."""
    members = get_args(union)
    if not (isinstance(members[0], type) and issubclass(members[0], BaseModel)):
        members = get_args(members[0])
    return {member.model_fields["type"].default for member in members}


def test_the_schema_is_what_the_official_types_say() -> None:
    script = ROOT / "scripts/generators/protocol_schema.py"
    check = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_has_a_head_events_and_items(path: Path) -> None:
    head, *events, tail = read(path)
    assert head["name"] == path.stem
    assert head["about"]
    assert events
    assert all(line.keys() == {"event"} for line in events)
    assert tail.keys() == {"items"}


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_events_and_items_are_of_the_official_types(path: Path) -> None:
    _, *events, tail = read(path)
    for line in events:
        event_type.validate_python(line["event"])
    for item in tail["items"]:
        item_type.validate_python(item)


def test_transcripts_cover_every_event_update_and_visible_item() -> None:
    events: set[str] = set()
    updates: set[str] = set()
    items: set[str] = set()
    for path in TRANSCRIPTS:
        _, *lines, tail = read(path)
        items |= {item["type"] for item in tail["items"]}
        for line in lines:
            events.add(line["event"]["type"])
            updates.add(line["event"].get("update", {}).get("type"))
    assert literal_types(ThreadStreamEvent) - events == set()
    assert literal_types(ThreadItemUpdate) - updates == set()
    assert literal_types(ThreadItem) - HIDDEN_TYPES - items == set()
