"""Small screens and large letters."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Newcomer, Stage
from tests.servers.answerers import say

WIDE = [
    "# A heading that is long enough to need more than one line on a small screen\n\n",
    "A-word-without-any-place-to-break-it-" * 6 + "\n\n",
    "https://example.com/" + "path/" * 30 + "\n\n",
    "| one | two | three | four | five | six | seven |\n|---|---|---|---|---|---|---|\n",
    "| a long cell | a long cell | a long cell | a long cell | a long cell | a long cell | b |\n\n",
    "```python\n" + "print('a line of code that is much too long for this screen')" * 2 + "\n```\n",
]

OVERFLOWING = """() => {
  const found = [];
  const look = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) look(element.shadowRoot);
      const scrolls = element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0;
      const overflow = getComputedStyle(element).overflowX;
      const inside = element.closest('pre, .table, .table-scroll, [role=region][tabindex]');
      if (scrolls && ['auto', 'scroll'].includes(overflow) && !inside)
        found.push(`${element.localName}.${element.className}`);
    }
  };
  look(document);
  const page = document.scrollingElement;
  if (page.scrollWidth > page.clientWidth) found.push('the page');
  return found;
}"""


def sideways(page: Page) -> list[str]:
    """What can be scrolled sideways, other than code and tables."""
    found: list[str] = page.evaluate(OVERFLOWING)
    return found


def box(element: Locator) -> tuple[float, float, float, float]:
    found = element.bounding_box()
    assert found is not None
    return found["x"], found["y"], found["width"], found["height"]


@pytest.mark.parametrize("size", [(320, 568), (375, 812)])
def test_on_a_phone_the_chat_fills_the_screen_and_can_be_left(
    newcomer: Newcomer, stage: Stage, size: tuple[int, int]
) -> None:
    stage.answerer.answer_with = say(*WIDE)
    visit = newcomer(stage.url, size=size, touch=True, calm=True)
    chat, page = visit.chat, visit.page
    assert sideways(page) == []
    chat.button.tap()
    expect(chat.panel).to_be_visible()
    assert box(chat.panel) == (0, 0, *size)
    assert sideways(page) == []
    chat.ask_and_wait("Tell me. " + "Andnowawordthatislongerthanthescreen" * 3)
    assert sideways(page) == []
    expect(chat.composer).to_be_in_viewport()
    for button in chat.root.get_by_role("button").all():
        if button.is_visible() and button.is_enabled():
            x, _, width, height = box(button)
            assert x >= 0
            assert x + width <= size[0]
            assert min(width, height) >= 24, f"{button} is too small for a finger"
    chat.show_history()
    assert sideways(page) == []
    chat.history.get_by_role("button", name="Close").tap()
    chat.root.get_by_role("button", name="close").tap()
    expect(chat.panel).to_be_hidden()
    expect(chat.button).to_be_visible()


def test_at_twice_the_size_everything_is_still_within_reach(
    newcomer: Newcomer, stage: Stage
) -> None:  # 199
    stage.answerer.answer_with = say(*WIDE)
    visit = newcomer(stage.url, size=(1280, 800), zoom=2, calm=True)
    chat, page = visit.chat.open(), visit.page
    chat.ask_and_wait("Tell me.")
    assert sideways(page) == []
    for part in (chat.composer, chat.send, chat.title):
        expect(part).to_be_in_viewport(ratio=1)
    chat.root.get_by_role("button", name="close").click()
    expect(chat.panel).to_be_hidden()


def test_a_wide_table_and_a_long_line_of_code_scroll_by_themselves(
    newcomer: Newcomer, stage: Stage
) -> None:
    stage.answerer.answer_with = say(*WIDE)
    chat = newcomer(stage.url, size=(320, 568), calm=True).chat.open()
    chat.ask_and_wait("Tell me.")
    for part in ("pre", "table"):
        piece = chat.words.locator(part)
        expect(piece).to_have_count(1)
        x, _, width, _ = box(chat.words.first)
        reach = piece.evaluate(
            """piece => { for (let box = piece; box; box = box.parentElement)
              if (box.scrollWidth > box.clientWidth) return box.getBoundingClientRect().right; }"""
        )
        assert reach is not None, f"the {part} does not scroll"
        assert reach <= x + width + 1
