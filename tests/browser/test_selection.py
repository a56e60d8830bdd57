"""Asking about what is selected on the page."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.conftest import Newcomer, Stage
from tests.browser.visit import Chat


def drag_over(text: Locator) -> None:
    """Selects a line of text with the mouse, as a hand does."""
    text.scroll_into_view_if_needed()
    box = text.bounding_box()
    assert box is not None
    mouse = text.page.mouse
    mouse.move(box["x"] + 1, box["y"] + 8)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 10, steps=5)
    mouse.move(box["x"] + box["width"] - 2, box["y"] + 12, steps=5)
    mouse.up()


def select(chat: Chat) -> str:
    """Selects in the page's second paragraph; gives back what is selected."""
    drag_over(chat.page.locator("main article p", has_text="Standard delivery within").first)
    return str(chat.page.evaluate("String(getSelection()).trim()"))


def test_selected_text_is_asked_about_with_one_click(newcomer: Newcomer, stage: Stage) -> None:
    chat = newcomer(f"{stage.url}/help/shipping").chat
    button = chat.launcher.get_by_role("button", name="Ask about this")
    expect(button).to_be_hidden()
    text = select(chat)
    assert len(text) > 20
    button.click()
    expect(chat.composer).to_be_focused()
    expect(button).to_be_hidden()
    quote = chat.root.get_by_role("group", name="Quoted text")
    expect(quote).to_contain_text(text)
    chat.ask("What does it cost?")
    expect(chat.questions.locator(".quoted")).to_contain_text(text)
    expect(quote).to_have_count(0)
    chat.wait_until_idle()
    (question,) = stage.answerer.questions
    assert (question.text, question.quoted_text) == ("What does it cost?", text)
    chat.page.reload()
    expect(chat.questions.locator(".quoted")).to_contain_text(text)


def test_a_quote_can_be_taken_away_again(newcomer: Newcomer, stage: Stage) -> None:
    chat = newcomer(f"{stage.url}/help/shipping").chat
    select(chat)
    chat.launcher.get_by_role("button", name="Ask about this").click()
    chat.root.get_by_role("button", name="Remove quoted text").click()
    expect(chat.root.get_by_role("group", name="Quoted text")).to_have_count(0)
    chat.ask_and_wait("What does it cost?")
    assert stage.answerer.questions[0].quoted_text is None


def test_nothing_is_offered_for_text_in_the_chat_or_after_a_click_elsewhere(
    newcomer: Newcomer, stage: Stage
) -> None:
    chat = newcomer(f"{stage.url}/help/shipping").chat
    button = chat.launcher.get_by_role("button", name="Ask about this")
    select(chat)
    expect(button).to_be_visible()
    chat.page.locator("main h1").click()
    expect(button).to_be_hidden()
    chat.open().ask_and_wait("Tell me.")
    drag_over(chat.words.first)
    chat.page.wait_for_timeout(400)
    expect(button).to_be_hidden()
