"""``parlour ask``: the same answer as on the page, in the terminal."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from rich.markup import escape

from parlour.app import Assembly, assemble
from parlour.chat.engine import Running
from parlour.cli.terminal import default_docs, err, index, load_settings, out
from parlour.context import Caller, RequestContext
from parlour.errors import ModelFailed
from parlour.protocol import JsonObject, encode, parse
from parlour.settings import Settings
from parlour.turnlog.base import EventEntry

_LOCAL = Caller("local:terminal", "local")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
"""Markdown's backslash before a sign that means itself."""


def run(question: str, *, docs: Path | None, as_json: bool) -> None:
    """Answers one question and prints its sources, numbered."""
    settings = load_settings(docs=docs)
    asyncio.run(_ask(settings, settings.docs or default_docs(), question, as_json))


async def _ask(settings: Settings, docs: Path, question: str, as_json: bool) -> None:
    knowledge = await index(settings, docs)
    forgetful = settings.model_copy(update={"database_url": "memory"})
    parts = await assemble(forgetful, knowledge=knowledge)
    try:
        printer = _Printer(quiet=as_json)
        await _read(parts, question, printer)
        printer.end()
        if as_json:
            answer = {"answer": printer.text, "sources": printer.sources}
            out.print_json(json.dumps(answer, ensure_ascii=False))
    finally:
        await parts.close()


async def _read(parts: Assembly, question: str, printer: _Printer) -> None:
    message = {"content": [{"type": "input_text", "text": question}]}
    body = encode({"type": "threads.create", "params": {"input": message}})
    started = await parts.engine.handle(body, RequestContext(_LOCAL))
    assert isinstance(started, Running)
    async for batch in parts.engine.read(_LOCAL.owner, started.turn_id):
        for entry in batch:
            if isinstance(entry, EventEntry):
                printer.event(parse(entry.data))
            else:
                printer.write(entry.delta)


class _Printer:
    """Writes text as it comes, marks sources by number, and lists them at the end."""

    def __init__(self, *, quiet: bool) -> None:
        self.text = ""
        self.sources: list[JsonObject] = []
        self._quiet = quiet
        self._held = ""

    def write(self, delta: str) -> None:
        self.text += delta
        if not self._quiet:
            text = self._held + delta
            self._held = "\\" if text.endswith("\\") else ""
            shown = _ESCAPE.sub(r"\1", text.removesuffix(self._held))
            out.print(shown, end="", markup=False, soft_wrap=True)

    def event(self, event: JsonObject) -> None:
        update = event.get("update", {})
        if update.get("type") == "assistant_message.content_part.annotation_added":
            self._mark(update["annotation"]["source"])
        elif event["type"] == "notice":
            err.print(f"[yellow]{event['level']}[/]: {escape(event['message'])}")
        elif event["type"] == "error":
            raise ModelFailed(event.get("message") or "The answer could not be finished.")

    def end(self) -> None:
        if self._quiet:
            return
        out.print()
        for number, source in enumerate(self.sources, 1):
            out.print(
                f"  [cyan]\\[{number}][/] {escape(str(source['title']))}  "
                f"[dim]{escape(str(source.get('url', '')))}[/]",
                soft_wrap=True,
            )

    def _mark(self, source: JsonObject) -> None:
        if source not in self.sources:
            self.sources.append(source)
        if not self._quiet:
            out.print(f"[cyan]\\[{self.sources.index(source) + 1}][/]", end="")
