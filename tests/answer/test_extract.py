"""The keyless answerer, asked what visitors of the fixture site ask."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parlour.answer.base import Cite, Question, Text
from parlour.answer.extract import ExtractAnswerer
from parlour.context import Caller, RequestContext
from parlour.knowledge import Knowledge
from parlour.protocol import JsonObject, new_id, now, timestamp
from parlour.stores.base import Store, Thread
from parlour.stores.memory import MemoryStore
from tests.knowledge.questions import ANSWERABLE, FOLLOW_UPS, UNANSWERABLE

SITE = Path(__file__).parent.parent / "knowledge" / "site"
CALLER = Caller("owner")


@dataclass
class Answer:
    text: str
    cites: list[tuple[int, JsonObject]]

    @property
    def plain(self) -> str:
        """As a reader sees it: escapes undone, white space collapsed."""
        return " ".join(re.sub(r"\\([^\w\s])", r"\1", self.text).split())

    @property
    def pages(self) -> list[str]:
        return [str(source["url"]).partition("#")[0] for _, source in self.cites]

    @property
    def refused(self) -> bool:
        return self.text.startswith("This site does not say.")


async def ask(
    knowledge: Knowledge | None,
    *questions: str,
    quoted: str | None = None,
    page: str | None = None,
) -> Answer:
    """The answer to the last question of a conversation."""
    store: Store = MemoryStore.from_spec("memory")
    await store.open()
    thread = Thread(new_id("thread"), now())
    await store.add_thread(CALLER.owner, thread)
    message: JsonObject = {}
    for text in questions:
        message = {
            "type": "user_message",
            "id": new_id("message"),
            "thread_id": thread.id,
            "created_at": timestamp(),
            "content": [{"type": "input_text", "text": text}],
            "attachments": [],
            "inference_options": {},
        }
        if quoted and text == questions[-1]:
            message["quoted_text"] = quoted
        await store.add_item(CALLER.owner, thread.id, message)
    question = Question(thread, message, RequestContext(CALLER, page=page), store)
    answer = Answer("", [])
    async for event in ExtractAnswerer(knowledge).answer(question):
        if isinstance(event, Text):
            answer.text += event.delta
        elif isinstance(event, Cite):
            answer.cites.append((len(answer.text) if event.index is None else event.index, event.source))
    await store.close()
    return answer


@pytest.fixture
async def knowledge(tmp_path: Path) -> AsyncIterator[Knowledge]:
    opened = await Knowledge.from_folder(SITE, index=tmp_path / "knowledge.db")
    yield opened
    await opened.close()
