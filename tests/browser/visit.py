"""One visitor's browser window, and the chat in it as they see it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    WebError,
    expect,
)

TELL_VIOLATIONS = """addEventListener('securitypolicyviolation', (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


class Visit:
    """A context with one open page; ``problems`` are errors and requests that nobody expected."""

    def __init__(self, context: BrowserContext, url: str, hosts: Collection[str] = ()) -> None:
        self.context = context
        self.url = url
        self.hosts = {urlsplit(url).netloc, *hosts}
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._expected: list[str] = []
        context.add_init_script(TELL_VIOLATIONS)
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", self._error)
        self.page = context.new_page()
        self.page.goto(url)
        self.chat = Chat(self.page)

    def expect_console(self, pattern: str) -> None:
        """The browser will complain about this; that is what the test is about."""
        self._expected.append(pattern)

    def tab(self, path: str = "/") -> Chat:
        """Another tab of the same visitor."""
        page = self.context.new_page()
        page.goto(self.url + path)
        return Chat(page)

    def photograph(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(self.context.pages):
            try:
                page.screenshot(path=path.with_stem(f"{path.stem}-{number}"), timeout=5000)
            except Error as error:
                print(f"No picture: {error}")  # noqa: T201

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        self.requests.append(request.url)
        if address.scheme not in ("data", "blob") and address.netloc not in self.hosts:
            self.problems.append(f"a request to {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            text = f"{message.text} ({message.location.get('url')})"
            if not any(re.search(pattern, text) for pattern in self._expected):
                self.problems.append(f"console: {text}")

    def _error(self, error: WebError) -> None:
        self.problems.append(f"page: {error.error.stack or error.error.message}")


class Chat:
    """The chat on a page: by the names people who cannot see it are told."""

    def __init__(self, page: Page, tag: str = "parlour-chat") -> None:
        self.page = page
        self.root = page.locator(tag)
        self.launcher = page.locator("parlour-launcher")
        self.button = self.launcher.locator("button.launch")
        self.panel = self.launcher.get_by_role("dialog", name="Ask a question", include_hidden=True)
        self.title = self.root.get_by_role("heading", level=2).first
        self.composer = self.root.get_by_role("textbox", name="Message")
        self.send = self.root.get_by_role("button", name="Send message")
        self.stop = self.root.get_by_role("button", name="Stop answering")
        self.questions = self.root.get_by_role("article", name="You")
        self.answers = self.root.get_by_role("article", name="Assistant")
        self.words = self.answers.locator("parlour-markdown")
        self.sources = self.answers.locator("details.sources a")
        self.marks = self.answers.locator("a.cite")
        self.outcome = self.root.locator(".outcome")
        self.history = self.root.get_by_role("dialog", name="Chat history")

    def open(self) -> Chat:
        """Opens the panel with the button and waits until one can write."""
        self.button.click()
        expect(self.composer).to_be_focused()
        return self

    def ask(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def ask_and_wait(self, text: str) -> None:
        before = self.answers.count()
        self.ask(text)
        expect(self.answers).to_have_count(before + 1)
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Until nothing is being answered."""
        expect(self.stop).to_have_count(0)
        expect(self.send).to_be_visible()

    def answer(self) -> str:
        """The text of the newest answer, as it stands on the screen; empty when there is none."""
        if self.words.count() == 0:
            return ""
        return self.words.last.inner_text()

    def wait_for_words(self, text: str) -> None:
        expect(self.words.last).to_contain_text(text)

    def show_history(self) -> Locator:
        self.root.get_by_role("button", name="Chat history").click()
        expect(self.history).to_be_visible()
        return self.history
