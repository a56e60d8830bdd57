"""Every state of the page and the chat, examined by axe."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page, Route, expect

from parlour.answer.base import Cite, Notice, Text
from parlour.errors import ModelFailed
from tests.browser.conftest import ROOT, Newcomer, Stage
from tests.browser.visit import Visit
from tests.servers.answerers import emit, fail, say

AXE = ROOT / "widget" / "node_modules" / "axe-core" / "axe.min.js"
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")

SOURCE = {"type": "url", "title": "Shipping", "url": "/help/shipping#delivery-times"}
ANSWER = (
    Notice("warning", "The shop is *closed* today.", "Closed"),
    Text("## Delivery\n\nThat takes **3 days**."),
    Cite(dict(SOURCE)),
    Text(
        "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n\n> quoted\n\n```python\nx = 1\n```\n"
    ),
    Text("More in [the help](/help/shipping), see `code`."),
    Cite({"type": "file", "title": "A file", "filename": "a.pdf"}),
)


def violations(page: Page) -> list[str]:
    """What axe objects to, in a screen that has come to rest: rule, place and reason."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    if objected_to(page):
        page.wait_for_timeout(500)
    return objected_to(page)


def objected_to(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.flatMap(
          (rule) => rule.nodes.map((node) =>
            `${rule.id}: ${JSON.stringify(node.target)} ${node.failureSummary} ${node.html}`))"""
    )
    return found


@pytest.fixture(params=SCHEMES)
def visit(newcomer: Newcomer, stage: Stage, request: pytest.FixtureRequest) -> Visit:
    stage.answerer.answer_with = emit(*ANSWER)
    return newcomer(stage.url, scheme=request.param, calm=True)


def test_closed_and_at_the_start(visit: Visit) -> None:
    assert violations(visit.page) == []
    visit.chat.open()
    expect(visit.chat.root.locator("button.prompt").first).to_be_visible()
    assert violations(visit.page) == []


def test_while_an_answer_is_coming(visit: Visit, stage: Stage) -> None:
    stage.answerer.answer_with = say(*[f"word{n} " for n in range(200)], delay=0.05)
    chat = visit.chat.open()
    chat.ask("Tell me.")
    expect(chat.stop).to_be_visible()
    assert violations(visit.page) == []
    chat.wait_for_words("word3 ")
    assert violations(visit.page) == []
    chat.stop.click()
    expect(chat.outcome).to_be_visible()
    assert violations(visit.page) == []


def test_with_an_answer_its_sources_and_the_history(visit: Visit) -> None:
    chat = visit.chat.open()
    chat.ask_and_wait("Tell me.")
    expect(chat.sources).to_have_count(1)
    assert violations(visit.page) == []
    history = chat.show_history()
    expect(history.locator("button.open")).to_have_count(1)
    assert violations(visit.page) == []
    history.get_by_role("button", name="Rename").click()
    assert violations(visit.page) == []
    visit.page.keyboard.press("Escape")
    history.get_by_role("button", name="Delete").click()
    assert violations(visit.page) == []


def test_when_something_failed_or_the_network_is_gone(visit: Visit, stage: Stage) -> None:
    visit.expect_console("Failed to load resource")
    stage.answerer.answer_with = fail(ModelFailed("The model broke off."), "Half of it")
    chat = visit.chat.open()
    chat.ask("Tell me.")
    expect(chat.root.get_by_role("alert")).to_be_visible()
    assert violations(visit.page) == []

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body="{}")

    visit.page.route("**/chatkit", refuse)
    visit.page.reload()
    expect(chat.root.get_by_role("alert")).to_be_visible()
    assert violations(visit.page) == []
    chat.show_history()
    expect(chat.history.get_by_role("alert")).to_be_visible()
    assert violations(visit.page) == []
    visit.context.set_offline(True)
    expect(chat.root.get_by_text("You are offline.")).to_be_visible()
    assert violations(visit.page) == []
    visit.context.set_offline(False)


def test_with_a_quote_in_the_composer(visit: Visit) -> None:
    visit.page.goto(f"{visit.url}/help/shipping")
    paragraph = visit.page.locator("main article p").nth(1)
    paragraph.select_text()
    button = visit.chat.launcher.get_by_role("button", name="Ask about this")
    expect(button).to_be_visible()
    assert violations(visit.page) == []
    button.click()
    expect(visit.chat.root.get_by_role("group", name="Quoted text")).to_be_visible()
    assert violations(visit.page) == []


def test_on_a_phone(newcomer: Newcomer, stage: Stage) -> None:
    stage.answerer.answer_with = emit(*ANSWER)
    visit = newcomer(stage.url, size=(375, 812), touch=True, calm=True)
    assert violations(visit.page) == []
    visit.chat.open().ask_and_wait("Tell me.")
    assert violations(visit.page) == []
    visit.chat.show_history()
    assert violations(visit.page) == []
