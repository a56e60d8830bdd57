"""Everything with the keyboard alone, and the focus where one expects it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Newcomer, Stage
from tests.servers.answerers import say

FOCUSED = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element?.getAttribute('aria-label') ?? element?.localName ?? null;
}"""


def focused(page: Page) -> str:
    """The accessible name, or else the tag, of what has the focus."""
    return str(page.evaluate(FOCUSED))


def press_until(page: Page, key: str, name: str) -> None:
    for _ in range(200):
        if focused(page) == name:
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} never led to {name}")


def test_a_whole_conversation_needs_no_mouse(newcomer: Newcomer, stage: Stage) -> None:  # 198
    chat = newcomer(stage.url).chat
    page = chat.page
    press_until(page, "Tab", "Ask a question")
    page.keyboard.press("Enter")
    expect(chat.composer).to_be_focused()
    page.keyboard.type("Tell me.")
    page.keyboard.press("Enter")
    chat.wait_for_words("Hello there.")
    chat.wait_until_idle()
    expect(chat.composer).to_be_focused()

    press_until(page, "Shift+Tab", "Chat history")
    page.keyboard.press("Enter")
    row = chat.history.locator("button.open")
    expect(row).to_be_visible()
    expect(chat.history.locator(":focus")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(row).to_be_focused()
    page.keyboard.press("Escape")
    expect(chat.history).to_have_count(0)
    assert focused(page) == "Chat history"

    page.keyboard.press("Escape")
    expect(chat.panel).to_be_hidden()
    assert focused(page) == "Ask a question"


def test_the_focus_goes_back_to_where_it_came_from(newcomer: Newcomer, stage: Stage) -> None:
    chat = newcomer(stage.url).chat
    link = chat.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Shipping")
    expect(chat.button).to_be_visible()
    link.focus()
    chat.page.evaluate("Parlour.open()")
    expect(chat.composer).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(link).to_be_focused()


def test_loading_a_page_never_takes_the_focus(newcomer: Newcomer, stage: Stage) -> None:  # 200
    visit = newcomer(stage.url)
    chat = visit.chat
    assert focused(visit.page) == "body"
    chat.open().ask_and_wait("Tell me.")
    visit.page.reload()
    chat.wait_for_words("Hello there.")
    assert focused(visit.page) == "body"


def test_an_answer_never_takes_the_focus(newcomer: Newcomer, stage: Stage) -> None:
    stage.answerer.answer_with = say(*["word "] * 20, delay=0.05)
    chat = newcomer(stage.url).chat.open()
    chat.ask("Tell me.")
    link = chat.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Shipping")
    link.focus()
    chat.wait_until_idle()
    expect(link).to_be_focused()


def test_enter_in_an_input_method_does_not_send(newcomer: Newcomer, stage: Stage) -> None:  # 178
    visit = newcomer(stage.url)
    chat = visit.chat.open()
    devtools = visit.context.new_cdp_session(visit.page)
    composing = {"selectionStart": 3, "selectionEnd": 3, "text": "にほん"}
    devtools.send("Input.imeSetComposition", composing)
    enter = {"type": "rawKeyDown", "key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    devtools.send("Input.dispatchKeyEvent", enter)
    chat.composer.dispatch_event(
        "keydown", {"key": "Enter", "code": "Enter", "isComposing": True, "bubbles": True}
    )
    chat.page.wait_for_timeout(300)
    expect(chat.questions).to_have_count(0)
    devtools.send("Input.insertText", {"text": "日本"})
    expect(chat.composer).to_have_value("日本")
    chat.page.keyboard.press("Enter")
    expect(chat.questions).to_have_text("日本")
    chat.wait_until_idle()


def test_shift_and_enter_begin_a_new_line(newcomer: Newcomer, stage: Stage) -> None:  # 178
    chat = newcomer(stage.url).chat.open()
    one_line = chat.composer.evaluate("field => field.clientHeight")
    chat.page.keyboard.type("one")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("two")
    expect(chat.composer).to_have_value("one\ntwo")
    assert chat.composer.evaluate("field => field.clientHeight") > one_line
    chat.page.keyboard.press("Enter")
    chat.wait_until_idle()
    assert [question.text for question in stage.answerer.questions] == ["one\ntwo"]
    assert chat.questions.inner_text() == "one\ntwo"


def test_nothing_is_sent_without_text(newcomer: Newcomer, stage: Stage) -> None:
    chat = newcomer(stage.url).chat.open()
    chat.page.keyboard.press("Enter")
    chat.composer.fill("   ")
    chat.page.keyboard.press("Enter")
    expect(chat.send).to_be_disabled()
    expect(chat.questions).to_have_count(0)
