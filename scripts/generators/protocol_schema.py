"""Writes spec/protocol.schema.json from the official SDK's own types; with --check only compares.

``x-made-with`` names the versions it was made with: another pydantic may describe the same types in
other words.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

from chatkit.types import (
    Attachment,
    ChatKitReq,
    Page,
    SyncCustomActionResponse,
    Thread,
    ThreadItem,
    ThreadItemUpdate,
    ThreadStreamEvent,
    TranscriptionResult,
)
from chatkit.widgets import WidgetRoot
from pydantic import TypeAdapter
from pydantic.json_schema import PydanticJsonSchemaWarning

PATH: Final = Path(__file__).resolve().parents[2] / "spec" / "protocol.schema.json"

PARTS: Final[dict[str, Any]] = {
    "Attachment": Attachment,
    "Event": ThreadStreamEvent,
    "Item": ThreadItem,
    "ItemPage": Page[ThreadItem],
    "ItemUpdate": ThreadItemUpdate,
    "Request": ChatKitReq,
    "SyncCustomActionResponse": SyncCustomActionResponse,
    "Thread": Thread,
    "ThreadPage": Page[Thread],
    "TranscriptionResult": TranscriptionResult,
    "WidgetRoot": WidgetRoot,
}


def schema() -> str:
    """One JSON Schema document; the protocol's parts are named under ``properties``."""
    # "validation", for answers too: fields that are None are left out on the wire.
    mode: Literal["validation"] = "validation"
    adapters = [(name, mode, TypeAdapter[Any](each)) for name, each in PARTS.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PydanticJsonSchemaWarning)
        parts, definitions = TypeAdapter.json_schemas(adapters)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The ChatKit protocol",
        "description": "Made by scripts/generate from the types of openai-chatkit. Do not edit.",
        "x-made-with": {name: version(name) for name in ("openai-chatkit", "pydantic")},
        "properties": {name: part for (name, _), part in parts.items()},
        "$defs": definitions["$defs"],
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    text = schema()
    if "--check" not in sys.argv:
        PATH.write_text(text, "utf-8")
    elif not PATH.exists() or PATH.read_text("utf-8") != text:
        print("spec/protocol.schema.json is out of date. Run scripts/generate.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
