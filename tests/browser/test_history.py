"""Earlier conversations: listed, opened, renamed, deleted."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Newcomer, Stage
from tests.browser.visit import Chat, Visit
from tests.servers.answerers import say


@pytest.fixture
def visit(newcomer: Newcomer, stage: Stage) -> Visit:
    """Somebody with two conversations, looking at the second."""
    visit = newcomer(stage.url)
    chat = visit.chat.open()
    for subject in ("tents", "boots"):
        stage.answerer.titled = f"About {subject}"
        stage.answerer.answer_with = say(f"All about {subject}.")
        chat.ask_and_wait(f"Tell me about {subject}.")
        expect(chat.root.get_by_role("heading", name=f"About {subject}")).to_be_visible()
        if subject == "tents":
            chat.root.get_by_role("button", name="New chat").click()
            expect(chat.answers).to_have_count(0)
    return visit


def rows(chat: Chat) -> list[str]:
    return chat.history.locator("button.open").all_inner_texts()


def test_an_earlier_conversation_is_found_and_opened(visit: Visit) -> None:
    chat = visit.chat
    history = chat.show_history()
    expect(history.locator("button.open")).to_have_count(2)
    assert rows(chat) == ["About boots", "About tents"]
    expect(history.get_by_role("button", name="About boots", exact=True)).to_have_attribute(
        "aria-current", "true"
    )
    history.get_by_role("button", name="About tents", exact=True).click()
    expect(history).to_have_count(0)
    expect(chat.questions).to_have_text("Tell me about tents.")
    assert chat.answer() == "All about tents."
    visit.page.reload()
    expect(chat.questions).to_have_text("Tell me about tents.")


def test_a_conversation_is_renamed(visit: Visit) -> None:
    chat = visit.chat
    history = chat.show_history()
    history.get_by_role("button", name="Rename “About boots”").click()
    field = history.get_by_role("textbox", name="Title")
    expect(field).to_be_focused()
    field.fill("Winter boots")
    field.press("Enter")
    expect(history.locator("button.open").first).to_have_text("Winter boots")
    expect(chat.title).to_have_text("Winter boots")
    visit.page.reload()
    expect(chat.title).to_have_text("Winter boots")


def test_deleting_asks_first_and_an_open_conversation_that_is_deleted_is_closed(
    visit: Visit,
) -> None:
    chat = visit.chat
    history = chat.show_history()
    history.get_by_role("button", name="Delete “About boots”").click()
    history.get_by_role("button", name="Cancel").click()
    expect(history.locator("button.open")).to_have_count(2)
    history.get_by_role("button", name="Delete “About boots”").click()
    history.get_by_role("button", name="Delete", exact=True).click()
    expect(history.locator("button.open")).to_have_count(1)
    assert rows(chat) == ["About tents"]
    expect(chat.answers).to_have_count(0)
    visit.page.reload()
    expect(chat.root.locator(".greeting")).to_be_visible()
    chat.show_history()
    expect(history.locator("button.open")).to_have_text("About tents")


def test_a_new_chat_begins_empty_and_keeps_the_old_one(visit: Visit) -> None:
    chat = visit.chat
    chat.show_history().get_by_role("button", name="New chat").click()
    expect(chat.history).to_have_count(0)
    expect(chat.root.locator(".greeting")).to_be_visible()
    chat.ask_and_wait("And socks?")
    expect(chat.questions).to_have_count(1)
    expect(chat.show_history().locator("button.open")).to_have_count(3)


def test_a_history_that_cannot_be_loaded_says_so_and_is_tried_again(
    newcomer: Newcomer, stage: Stage
) -> None:
    visit = newcomer(stage.url)
    visit.expect_console("Failed to load resource")
    chat = visit.chat.open()
    chat.ask_and_wait("Tell me.")

    def refuse(route: Route) -> None:
        if "threads.list" in (route.request.post_data or ""):
            route.abort()
        else:
            route.continue_()

    visit.page.route("**/chatkit", refuse)
    history = chat.show_history()
    expect(history.get_by_role("alert")).to_be_visible()
    visit.page.unroute("**/chatkit")
    history.get_by_role("button", name="Try again").click()
    expect(history.locator("button.open")).to_have_count(1)


def test_another_visitor_sees_nothing_of_it(visit: Visit, newcomer: Newcomer) -> None:
    stranger = newcomer(visit.url).chat.open()
    history = stranger.show_history()
    expect(history).to_contain_text("No conversations yet")
    expect(history.locator("button.open")).to_have_count(0)
