"""Plays conversations on the official ChatKit engine and writes them to spec/transcripts/.

A transcript is JSON lines: {"name", "about"}, then {"event"} for every event as it came over the
wire, then {"items"}: what a client must show afterwards. Unless a scene says otherwise, those items
are what the official engine itself gives back for the thread. Ids and dates are made stable, so
that recording twice gives the same bytes. With --check nothing is written.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from transcript_scenes import SCENES
from transcript_stage import Play, Scene

FOLDER = Path(__file__).resolve().parents[2] / "spec" / "transcripts"


def dated(value: object, dates: dict[str, str]) -> object:
    """The value with every created_at replaced by a made-up one, in order of appearance."""
    if isinstance(value, list):
        return [dated(each, dates) for each in value]
    if not isinstance(value, dict):
        return value
    fresh = {key: dated(each, dates) for key, each in value.items()}
    if isinstance(stamp := value.get("created_at"), str):
        made_up = f"2026-01-01T00:00:{len(dates):02d}.000000+00:00"
        fresh["created_at"] = dates.setdefault(stamp, made_up)
    return fresh


async def record(name: str, scene: Scene) -> str:
    """The transcript of a scene, as text."""
    play = Play()
    shown = await scene(play)
    about = " ".join((scene.__doc__ or "").split())
    items = await play.items() if shown is None else shown
    lines = [{"name": name, "about": about}, *({"event": event} for event in play.events)]
    lines.append({"items": items})
    dates: dict[str, str] = {}
    return "".join(
        json.dumps(dated(line, dates), ensure_ascii=False, separators=(",", ":")) + "\n"
        for line in lines
    )


async def main() -> int:
    for noisy in ("chatkit", "asyncio"):  # scenes fail on purpose, and the engine leaves tasks
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    stale = []
    for name, scene in SCENES.items():
        path = FOLDER / f"{name}.jsonl"
        text = await record(name, scene)
        if "--check" not in sys.argv:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.name)
    if stale:
        print(f"Out of date in spec/transcripts: {', '.join(stale)}. Run scripts/generate.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
