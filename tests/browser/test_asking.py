"""Asking the demo site, as a visitor does."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Newcomer, Stage
from tests.servers.answerers import say

DELIVERY = "How long does standard delivery take?"


def test_an_answer_appears_word_by_word(newcomer: Newcomer, stage: Stage) -> None:
    stage.answerer.answer_with = say(*[f"word{n} " for n in range(30)], delay=0.05)
    chat = newcomer(stage.url).chat.open()
    chat.ask("Tell me.")
    expect(chat.stop).to_be_visible()
    seen = [""]
    while chat.stop.count():
        text = chat.answer()
        assert text.startswith(seen[-1]), "what was on the screen has changed"
        if text != seen[-1]:
            seen.append(text)
    assert len(seen) > 5
    chat.wait_for_words("word29")
    expect(chat.questions).to_have_text("Tell me.")


def test_an_answer_from_the_pages_names_its_sources_where_it_uses_them(
    newcomer: Newcomer, shop: str
) -> None:
    chat = newcomer(shop).chat.open()
    chat.ask_and_wait(DELIVERY)
    chat.wait_for_words("3 to 5 working days")
    expect(chat.sources.first).to_contain_text("Shipping")
    expect(chat.sources.first).to_contain_text("/help/shipping#delivery-times")
    expect(chat.marks.first).to_have_text("1")
    assert chat.marks.count() >= 1


def test_a_source_opens_its_page_at_the_heading_it_was_taken_from(
    newcomer: Newcomer, shop: str
) -> None:
    visit = newcomer(shop)
    chat = visit.chat.open()
    chat.ask_and_wait(DELIVERY)
    heading = visit.page.get_by_role("heading", name="Delivery times")
    for link in (chat.sources.first, chat.marks.first):
        visit.page.goto(shop)
        link.click()
        visit.page.wait_for_url(f"{shop}/help/shipping#delivery-times")
        expect(heading).to_be_in_viewport()
        expect(chat.questions.first).to_contain_text(DELIVERY)


def test_a_source_on_a_phone_uncovers_the_page(newcomer: Newcomer, shop: str) -> None:
    visit = newcomer(shop, size=(375, 812))
    chat = visit.chat.open()
    chat.ask_and_wait(DELIVERY)
    chat.sources.first.click()
    visit.page.wait_for_url(f"{shop}/help/shipping#delivery-times")
    expect(visit.page.get_by_role("heading", name="Delivery times")).to_be_in_viewport()
    expect(chat.composer).to_be_hidden()


def test_a_question_from_the_start_screen_is_asked_with_one_click(
    newcomer: Newcomer, shop: str
) -> None:
    chat = newcomer(shop).chat.open()
    prompt = chat.root.locator("button.prompt").first
    text = prompt.inner_text()
    prompt.click()
    expect(chat.questions.first).to_contain_text(text)
    chat.wait_until_idle()
    expect(chat.answers).to_have_count(1)


def test_what_the_pages_do_not_say_is_not_answered(newcomer: Newcomer, shop: str) -> None:
    chat = newcomer(shop).chat.open()
    chat.ask_and_wait("What is the capital of France?")
    expect(chat.marks).to_have_count(0)
    assert "Paris" not in chat.answer()
