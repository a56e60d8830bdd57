"""The chat on a page of another origin: one script tag, and the server's leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette

from parlour.app import create_app
from parlour.settings import Settings
from tests.browser.conftest import Newcomer
from tests.browser.pages import Page, WithPages
from tests.browser.visit import Chat, Visit
from tests.servers.answerers import Scripted, say
from tests.servers.serving import serving

TAGS = {
    "openai's tag": '<script src="{0}/chatkit.js" async></script>',
    "a module": '<script type="module" src="{0}/chatkit.js"></script>',
    "a module's import": '<script type="module">import "{0}/chatkit.js";</script>',
}


@dataclass
class Elsewhere:
    """Two servers: one with the pages, one with the chat."""

    site: str
    chat: str
    answerer: Scripted

    @property
    def hosts(self) -> list[str]:
        return [urlsplit(self.chat).netloc]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    pages: dict[str, Page] = {}
    with serving(WithPages(Starlette(), pages)) as site:
        home: Path = tmp_path_factory.mktemp("elsewhere")
        answerer = Scripted()
        app = create_app(Settings(home=home, allowed_origins=site), answerer=answerer)
        with serving(app) as chat:
            pages |= {f"/{name}": _page(tag.format(chat)) for name, tag in TAGS.items()}
            pages["/launcher"] = _page(
                f'<script src="{chat}/parlour.js?v=1" data-label="Ask us" async></script>'
            )
            yield Elsewhere(site, chat, answerer)


def _page(script: str) -> Page:
    return Page(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Elsewhere</title>
<link rel="icon" href="data:,">{script}<style>openai-chatkit {{ height: 600px }}</style>
<main><h1>Elsewhere</h1><openai-chatkit></openai-chatkit></main></html>""",
        strict=False,
    )


@pytest.mark.parametrize("tag", TAGS)
def test_one_script_tag_is_enough(newcomer: Newcomer, places: Elsewhere, tag: str) -> None:
    visit: Visit = newcomer(f"{places.site}/{tag}", hosts=places.hosts)
    chat = Chat(visit.page, "openai-chatkit")
    places.answerer.answer_with = say(*[f"word{n} " for n in range(40)], delay=0.05)
    chat.ask("Tell me.")
    chat.wait_for_words("word3 ")
    visit.page.reload()
    chat.wait_for_words("word39")
    chat.wait_until_idle()
    expect(chat.answers).to_have_count(1)


def test_the_launcher_reads_its_own_tag(newcomer: Newcomer, places: Elsewhere) -> None:
    places.answerer.answer_with = say("Hello there.")
    visit = newcomer(f"{places.site}/launcher", hosts=places.hosts)
    visit.page.get_by_role("button", name="Ask us").click()
    chat = Chat(visit.page)
    chat.ask_and_wait("Tell me.")
    assert chat.answer() == "Hello there."
