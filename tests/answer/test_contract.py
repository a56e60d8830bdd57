"""Every answerer of the table keeps the answerer's promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlour.answer import ANSWERERS
from parlour.answer.base import Answerer, Materials
from parlour.answer.contract import AnswererContract
from parlour.knowledge import Knowledge
from parlour.models.base import ModelOptions
from parlour.models.completions import CompletionsModel
from parlour.stores.memory import MemoryStore
from tests.servers.completions import CompletionsServer, Reply, Tokens

PAGE = """# Backups

A backup is made every night at two o'clock.

## Restoring

Run `acme restore` to bring back the backup of last night. A restore takes a few minutes.
"""
REST = {"python": "tests.hosted_servers.parrot:server"}


class TestEveryAnswerer(AnswererContract):
    asked = "How do I restore the backup of last night?"

    @pytest.fixture
    async def store(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        await store.open()
        yield store
        await store.close()

    @pytest.fixture(params=sorted(ANSWERERS))
    async def answerer(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> AsyncIterator[Answerer]:
        name: str = request.param
        pages = tmp_path / "pages"
        pages.mkdir()
        (pages / "backups.md").write_text(PAGE)
        knowledge = await Knowledge.from_folder(pages, index=tmp_path / "knowledge.db")
        async with CompletionsServer() as upstream:
            upstream.script(Reply(Tokens("Run acme restore and wait a few minutes.", delay=0.01)))
            options = ModelOptions(model="test", base_url=upstream.url, api_key="sk-test")
            materials = Materials(knowledge, lambda: CompletionsModel.from_options(options))
            yield ANSWERERS.load(name).from_spec(REST.get(name, ""), materials)
        await knowledge.close()
