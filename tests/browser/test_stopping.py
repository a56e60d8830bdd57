"""Stopping an answer, and asking again after one that did not finish."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from parlour.errors import ModelFailed
from tests.browser.conftest import Newcomer, Stage
from tests.servers.answerers import fail, say

WORDS = [f"word{n} " for n in range(400)]


@pytest.fixture
def slow(stage: Stage) -> Stage:
    stage.answerer.answer_with = say(*WORDS, delay=0.03)
    return stage


def test_a_stopped_answer_keeps_its_text_and_says_so_after_a_reload_too(
    newcomer: Newcomer, slow: Stage
) -> None:
    visit = newcomer(slow.url)
    chat = visit.chat.open()
    chat.ask("Tell me.")
    chat.wait_for_words("word5 ")
    chat.stop.click()
    expect(chat.outcome).to_contain_text("You stopped this answer.")
    chat.wait_until_idle()
    kept = chat.answer()
    assert kept.startswith("word0 word1 word2 word3 word4 word5")
    assert "word399" not in kept
    visit.page.reload()
    expect(chat.outcome).to_contain_text("You stopped this answer.")
    assert chat.answer() == kept
    expect(chat.answers).to_have_count(1)


def test_a_stopped_answer_can_be_asked_for_again(newcomer: Newcomer, slow: Stage) -> None:
    chat = newcomer(slow.url).chat.open()
    chat.ask("Tell me.")
    chat.wait_for_words("word5 ")
    chat.stop.click()
    slow.answerer.answer_with = say("All of it.")
    chat.outcome.get_by_role("button", name="Try again").click()
    chat.wait_for_words("All of it.")
    chat.wait_until_idle()
    expect(chat.outcome).to_have_count(0)
    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)


def test_it_can_be_stopped_before_the_first_word(newcomer: Newcomer, stage: Stage) -> None:  # 184
    stage.answerer.answer_with = say("", "late", delay=5)
    visit = newcomer(stage.url)
    chat = visit.chat.open()
    chat.ask("Tell me.")
    expect(chat.questions).to_have_count(1)  # before that it is not sent at all
    chat.stop.click()
    expect(chat.outcome).to_contain_text("You stopped this answer.")
    chat.wait_until_idle()
    expect(chat.answers).to_have_count(0)
    visit.page.reload()
    expect(chat.outcome).to_contain_text("You stopped this answer.")


def test_a_failed_answer_keeps_its_text_and_can_be_asked_for_again(
    newcomer: Newcomer, stage: Stage
) -> None:  # 73
    stage.answerer.answer_with = fail(ModelFailed("The model broke off."), "Half of it")
    visit = newcomer(stage.url)
    chat = visit.chat.open()
    chat.ask("Tell me.")
    alert = chat.root.get_by_role("alert")
    expect(alert).to_be_visible()
    assert chat.answer() == "Half of it"
    expect(chat.root.get_by_role("button", name="Try again")).to_have_count(1)
    visit.page.reload()
    expect(chat.outcome).to_contain_text("This answer could not be finished.")
    assert chat.answer() == "Half of it"
    stage.answerer.answer_with = say("All of it.")
    chat.root.get_by_role("button", name="Try again").click()
    chat.wait_for_words("All of it.")
    chat.wait_until_idle()
    expect(chat.outcome).to_have_count(0)
    expect(chat.answers).to_have_count(1)


def test_after_an_unexpected_failure_one_click_asks_again(newcomer: Newcomer, stage: Stage) -> None:
    stage.answerer.answer_with = fail(RuntimeError("a secret of the server"))
    chat = newcomer(stage.url).chat.open()
    chat.ask("Tell me.")
    alert = chat.root.get_by_role("alert")
    expect(alert).to_be_visible()
    expect(alert).not_to_contain_text("secret")
    stage.answerer.answer_with = say("All of it.")
    alert.get_by_role("button", name="Try again").click()
    chat.wait_for_words("All of it.")
    expect(alert).to_have_count(0)


def test_a_finished_answer_can_be_replaced_by_another(newcomer: Newcomer, stage: Stage) -> None:
    chat = newcomer(stage.url).chat.open()
    chat.ask_and_wait("Tell me.")
    stage.answerer.answer_with = say("Something else.")
    chat.answers.get_by_role("button", name="Answer again").click()
    chat.wait_for_words("Something else.")
    chat.wait_until_idle()
    expect(chat.answers).to_have_count(1)
    chat.answers.get_by_role("button", name="Good answer").click()
    expect(chat.answers.get_by_role("button", name="Good answer")).to_have_attribute(
        "aria-pressed", "true"
    )
