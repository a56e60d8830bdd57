"""OpenAI's own React wrapper, unmodified, with nothing but the script's address changed."""  # 120

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from parlour.app import create_app
from parlour.settings import Settings
from tests.browser.conftest import Newcomer
from tests.browser.pages import WithPages, folder
from tests.browser.react import built
from tests.browser.visit import Chat
from tests.servers.answerers import Scripted
from tests.servers.serving import serving


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("react")), answerer=Scripted())
    with serving(WithPages(app, folder(built(), "/react"))) as url:
        yield f"{url}/react/"


@pytest.fixture
def page(newcomer: Newcomer, address: str) -> Page:
    page = newcomer(address).page
    expect(page.locator("output")).to_have_text("ready")
    return page


def test_the_wrapper_shows_the_chat_and_the_visitor_can_ask(page: Page) -> None:
    chat = Chat(page, "openai-chatkit")
    expect(chat.root.locator(".greeting")).to_have_text("Hello from React")
    chat.ask_and_wait("Asked by hand.")
    assert chat.answer() == "Hello there."
    expect(page.locator("output")).to_have_text("ready, response start, thread some, response end")


def test_the_page_hears_that_the_chat_is_ready_however_early_the_script_was_there(
    page: Page,
) -> None:
    for _ in range(5):
        page.reload()
        expect(page.locator("output")).to_have_text("ready")


def test_the_page_sends_a_message_and_hears_what_happens(page: Page) -> None:
    chat = Chat(page, "openai-chatkit")
    page.get_by_role("button", name="Send", exact=True).click()
    chat.wait_for_words("Hello there.")
    expect(chat.questions).to_have_text("Sent by the page.")
    chat.wait_until_idle()
    page.get_by_role("button", name="New", exact=True).click()
    expect(chat.questions).to_have_count(0)
    expect(page.locator("output")).to_have_text(
        "ready, response start, thread some, response end, thread none"
    )


def test_changed_options_leave_the_conversation_and_the_draft_alone(page: Page) -> None:  # 118
    chat = Chat(page, "openai-chatkit")
    chat.ask_and_wait("Asked by hand.")
    chat.composer.fill("Half a thought")
    region = chat.root.get_by_role("region").first
    expect(region).to_have_attribute("data-scheme", "light")
    page.get_by_role("button", name="Theme", exact=True).click()
    expect(region).to_have_attribute("data-scheme", "dark")
    expect(chat.questions).to_have_text("Asked by hand.")
    expect(chat.composer).to_have_value("Half a thought")
    chat.composer.press("Enter")
    expect(chat.answers).to_have_count(2)
    expect(chat.questions.nth(1)).to_have_text("Half a thought")
