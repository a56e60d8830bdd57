"""`<openai-chatkit>` on a page of one's own, used as OpenAI's documentation says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Error, expect

from parlour.app import create_app
from parlour.settings import Settings
from tests.browser.conftest import PATIENCE_MS, Newcomer, Stage
from tests.browser.pages import BARE, WithPages
from tests.browser.visit import Chat, Visit
from tests.servers.answerers import Scripted, say
from tests.servers.serving import serving


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    answerer = Scripted()
    app = create_app(Settings(home=tmp_path_factory.mktemp("bare")), answerer=answerer)
    with serving(WithPages(app, BARE)) as url:
        yield Stage(f"{url}/bare/", answerer)


@dataclass
class Element:
    """One of the two elements: what the page can do with it, and what a visitor sees of it."""

    visit: Visit
    id: str

    def __post_init__(self) -> None:
        self.chat = Chat(self.visit.page, f"#{self.id}")

    def call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401
        """What the method's promise gives; ``Error`` when it rejects."""
        return self.visit.page.evaluate(
            "([id, method, given]) => document.getElementById(id)[method](...given)",
            [self.id, method, list(arguments)],
        )

    def events(self, *names: str) -> list[list[Any]]:
        """The events so far, those of these names only when there are any."""
        found: list[list[Any]] = self.visit.page.evaluate(f"events.{self.id}")
        return [event for event in found if not names or event[0] in names]

    def wait_for(self, name: str, count: int = 1) -> Any:  # noqa: ANN401
        """What came with the event of this name, the n-th one."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while len(found := self.events(name)) < count:  # Playwright's own waiting needs eval
            assert time.monotonic() < end, f"no {name}: {self.events()}"
            self.visit.page.wait_for_timeout(20)
        return found[count - 1][1]


@pytest.fixture
def one(newcomer: Newcomer, place: Stage) -> Element:
    place.answerer.answer_with = say("Hello ", "there.")
    place.answerer.questions.clear()
    element = Element(newcomer(place.url), "one")
    element.wait_for("ready")
    return element


def test_the_options_are_used_and_the_page_is_told_what_happens(one: Element) -> None:
    expect(one.chat.root.locator(".greeting")).to_have_text("Chat one")
    one.chat.ask_and_wait("A very private question")
    names = [name for name, _ in one.events() if name != "log"]
    assert names == ["ready", "response.start", "thread.change", "response.end"]
    (change,) = one.events("thread.change")
    assert re.fullmatch(r"thr_\w+", change[1]["threadId"])


def test_diagnostics_carry_nothing_of_what_was_said(one: Element) -> None:  # 144
    one.chat.ask_and_wait("A very private question")
    assert one.events("log")
    for word in ("private", "question", "Hello", "there"):
        assert word not in str(one.events("log"))


def test_a_page_writes_and_sends_for_the_visitor(one: Element) -> None:  # 123-127, 133
    one.call("setComposerValue", {"text": "Half a thought", "reply": "what was said"})
    expect(one.chat.composer).to_have_value("Half a thought")
    assert one.call("getComposerValue")["reply"] == "what was said"
    one.call("focusComposer")
    expect(one.chat.composer).to_be_focused()
    one.call("sendUserMessage", {"text": "From the page"})
    one.chat.wait_for_words("Hello there.")
    expect(one.chat.questions).to_have_text("From the page")
    expect(one.chat.composer).to_have_value("Half a thought")


def test_a_page_moves_between_conversations(one: Element) -> None:  # 124, 126
    one.call("sendUserMessage", {"text": "First"})
    one.wait_for("response.end")
    first = one.events("thread.change")[0][1]["threadId"]
    one.call("sendUserMessage", {"text": "Second", "newThread": True})
    one.wait_for("response.end", 2)
    expect(one.chat.questions).to_have_text("Second")
    one.call("setThreadId", first)
    expect(one.chat.questions).to_have_text("First")
    one.call("setThreadId", None)
    expect(one.chat.questions).to_have_count(0)
    changes = [detail["threadId"] for _, detail in one.events("thread.change")]
    second = changes[2]
    assert changes == [first, None, second, first, None]
    assert one.events("thread.load.start") == [["thread.load.start", {"threadId": first}]]
    assert one.events("thread.load.end") == [["thread.load.end", {"threadId": first}]]


def test_an_unknown_conversation_is_refused_and_told(one: Element) -> None:
    one.visit.expect_console("404")
    with pytest.raises(Error, match="thr_nobody"):
        one.call("setThreadId", "thr_nobody")
    one.wait_for("error")
    one.wait_for("thread.load.end")
    expect(one.chat.root.get_by_role("alert")).to_be_visible()


def test_the_history_opens_and_closes_at_the_pages_wish(one: Element) -> None:  # 130, 140
    one.call("showHistory")
    expect(one.chat.history).to_be_visible()
    one.call("hideHistory")
    expect(one.chat.history).to_have_count(0)
    names = [name for name, _ in one.events("history.open", "history.close")]
    assert names == ["history.open", "history.close"]


def test_what_changed_elsewhere_is_fetched(one: Element) -> None:  # 131
    one.call("sendUserMessage", {"text": "First"})
    one.wait_for("response.end")
    other = Element(one.visit, "two")
    other.call("setThreadId", one.events("thread.change")[0][1]["threadId"])
    other.call("sendUserMessage", {"text": "From the other"})
    other.wait_for("response.end")
    expect(one.chat.questions).to_have_count(1)
    one.call("fetchUpdates")
    expect(one.chat.questions).to_have_count(2)


def test_methods_say_why_they_cannot_now(one: Element, place: Stage) -> None:  # 132
    place.answerer.answer_with = say(*["word "] * 100, delay=0.05)
    one.call("sendUserMessage", {"text": "Slowly"})
    for method, argument in (
        ("sendUserMessage", {"text": "At once"}),
        ("setThreadId", None),
        ("sendCustomAction", {"type": "x"}),
    ):
        with pytest.raises(Error, match="being streamed"):
            one.call(method, argument)
    one.chat.stop.click()
    one.wait_for("response.end")


def test_two_elements_know_nothing_of_each_other(one: Element) -> None:  # 122
    two = Element(one.visit, "two")
    expect(two.chat.root.locator(".greeting")).to_have_text("Chat two")
    one.chat.ask_and_wait("Only here")
    two.chat.composer.fill("A draft there")
    expect(two.chat.questions).to_have_count(0)
    expect(one.chat.composer).to_have_value("")
    assert [name for name, _ in two.events() if name != "log"] == ["ready"]
    one.visit.page.reload()
    expect(one.chat.questions).to_have_text("Only here")
    expect(two.chat.questions).to_have_count(0)
    expect(two.chat.composer).to_have_value("A draft there")


def test_an_unknown_option_is_named_and_does_no_harm(one: Element) -> None:  # 119
    one.visit.expect_console("sidebar")
    page = one.visit.page
    options = {"api": {"url": "/chatkit", "domainKey": "k"}, "sidebar": True, "theme": "dark"}

    def names_it(message: ConsoleMessage) -> bool:
        return message.type == "warning" and '"sidebar"' in message.text

    with page.expect_console_message(names_it):
        one.call("setOptions", options)
    expect(one.chat.root.locator("[data-scheme=dark]")).to_have_count(1)
    one.chat.ask_and_wait("Still there?")


def test_a_server_that_cannot_be_reached_is_told_and_nothing_is_lost(one: Element) -> None:
    one.visit.expect_console("Failed to load resource")
    one.visit.page.route("**/chatkit", lambda route: route.abort())
    one.chat.ask("Are you there?")
    expect(one.chat.root.get_by_role("alert")).to_contain_text("could not be reached")
    expect(one.chat.composer).to_have_value("Are you there?")
    assert one.wait_for("error")["message"]


def test_listeners_on_a_removed_element_hear_nothing_more(one: Element, place: Stage) -> None:
    place.answerer.answer_with = say(*["word "] * 20, delay=0.05)  # 146
    one.call("sendUserMessage", {"text": "Slowly"})
    one.chat.wait_for_words("word")
    before = one.events()
    one.visit.page.evaluate(
        "window.kept = document.getElementById('one'); document.getElementById('one').remove()"
    )
    one.visit.page.wait_for_timeout(1500)
    assert one.events() == before
    one.visit.page.evaluate("document.querySelector('main').append(kept)")
    one.wait_for("ready", 2)
    expect(one.chat.questions).to_have_text("Slowly")
    one.chat.wait_until_idle()
    assert one.chat.answer().split() == ["word"] * 20
