"""An answer goes on, whatever happens to the page, the connection or the server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Newcomer, Stage
from tests.servers.answerers import say
from tests.servers.cutting import Cutting
from tests.servers.process import free_port, server

WORDS = [f"word{n} " for n in range(60)]
WHOLE = "".join(WORDS).strip()
NO_CONNECTION = r"net::ERR_|Failed to load resource"


@pytest.fixture
def slow(stage: Stage) -> Stage:
    stage.answerer.answer_with = say(*WORDS, delay=0.05)
    return stage


def test_an_answer_goes_on_after_a_reload(newcomer: Newcomer, slow: Stage) -> None:  # 71
    visit = newcomer(slow.url)
    chat = visit.chat.open()
    chat.ask("Tell me.")
    chat.wait_for_words("word5 ")
    visit.page.reload()
    expect(chat.stop).to_be_visible()
    chat.wait_for_words("word5 ")
    assert "word59" not in chat.answer(), "the answer ended before it was looked at again"
    chat.wait_for_words("word59")
    chat.wait_until_idle()
    assert chat.answer() == WHOLE
    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)
    visit.page.reload()
    chat.wait_for_words("word59")
    assert chat.answer() == WHOLE
    assert len(slow.answerer.questions) == 1


def test_a_second_tab_sees_the_same_answer_being_written(newcomer: Newcomer, slow: Stage) -> None:
    visit = newcomer(slow.url)
    first = visit.chat.open()
    first.ask("Tell me.")
    first.wait_for_words("word3 ")
    second = visit.tab("/help/shipping").open()
    second.show_history().locator("button.open").first.click()
    expect(second.stop).to_be_visible()
    for chat in (first, second):
        chat.wait_for_words("word59")
        chat.wait_until_idle()
        assert chat.answer() == WHOLE
        expect(chat.questions).to_have_count(1)
    assert len(slow.answerer.questions) == 1


def test_a_cut_connection_is_told_and_the_same_answer_goes_on(
    newcomer: Newcomer, slow: Stage, line: Cutting
) -> None:
    visit = newcomer(line.url)
    visit.expect_console(NO_CONNECTION)
    chat = visit.chat.open()
    chat.ask("Tell me.")
    chat.wait_for_words("word5 ")
    line.cut()
    reconnecting = chat.root.get_by_text("Connection lost. Reconnecting…")
    expect(reconnecting).to_be_visible()
    kept = chat.answer()
    assert kept.startswith("word0 word1 ")
    line.mend()
    expect(reconnecting).to_have_count(0)
    chat.wait_for_words("word59")
    chat.wait_until_idle()
    assert chat.answer() == WHOLE
    expect(chat.answers).to_have_count(1)
    assert len(slow.answerer.questions) == 1


def test_offline_is_told_and_what_was_written_can_be_sent_afterwards(
    newcomer: Newcomer, stage: Stage
) -> None:
    visit = newcomer(stage.url)
    visit.expect_console(NO_CONNECTION)
    chat = visit.chat.open()
    chat.ask_and_wait("First?")
    visit.context.set_offline(True)
    offline = chat.root.get_by_text("You are offline.")
    expect(offline).to_be_visible()
    chat.ask("Second?")
    failed = chat.root.get_by_role("alert")
    expect(failed).to_be_visible()
    expect(chat.composer).to_have_value("Second?")
    visit.context.set_offline(False)
    expect(offline).to_have_count(0)
    chat.composer.press("Enter")
    expect(chat.answers).to_have_count(2)
    chat.wait_until_idle()
    expect(failed).to_have_count(0)
    expect(chat.questions).to_have_count(2)
    assert [question.text for question in stage.answerer.questions] == ["First?", "Second?"]


def test_a_killed_server_leaves_what_was_read_and_a_way_on(
    newcomer: Newcomer, tmp_path: Path
) -> None:  # 72
    port = free_port()
    with server(tmp_path, port) as process:
        visit = newcomer(f"http://127.0.0.1:{port}")
        visit.expect_console(NO_CONNECTION)
        chat = visit.chat.open()
        chat.ask("Tell me.")
        chat.wait_for_words("word20 ")
        visit.page.wait_for_timeout(500)
        read = chat.answer().split()[:20]
        process.kill()
        expect(chat.root.get_by_text("Connection lost. Reconnecting…")).to_be_visible()
        assert chat.answer().split()[:20] == read
    with server(tmp_path, port):
        expect(chat.outcome).to_contain_text("This answer was interrupted.", timeout=20_000)
        assert chat.answer().split()[:20] == read
        visit.page.reload()
        expect(chat.outcome).to_contain_text("This answer was interrupted.")
        assert chat.answer().split()[:20] == read
        chat.outcome.get_by_role("button", name="Try again").click()
        expect(chat.stop).to_be_visible()
        expect(chat.words.last).to_contain_text(re.compile("^word0 word1 .*word50 "))
        expect(chat.outcome).to_have_count(0)
        expect(chat.answers).to_have_count(1)
        expect(chat.questions).to_have_count(1)
