"""Visitors in a real browser. Playwright's loop must not outlive this package: pytest-asyncio's
tests cannot run beside it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import pytest
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from parlour.app import create_app
from parlour.settings import Settings
from parlour.site import Site
from tests.browser.visit import Visit
from tests.servers.answerers import Scripted, say
from tests.servers.cutting import Cutting, cutting
from tests.servers.serving import serving

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "tests" / "knowledge" / "site"
PICTURES = ROOT / "test-results"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 10_000

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is missing: install it, or set CHROMIUM to its path."
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


class Newcomer(Protocol):
    """Lets somebody who was never here visit an address."""

    def __call__(
        self,
        url: str,
        *,
        size: tuple[int, int] = (1280, 800),
        scheme: Literal["light", "dark"] = "light",
        zoom: float = 1,
        touch: bool = False,
        calm: bool = False,
        hosts: Collection[str] = (),
    ) -> Visit: ...


@pytest.fixture
def newcomer(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Newcomer]:
    """Makes visits; a browser error or a request to another host in one fails the test."""
    visits: list[Visit] = []

    def come(
        url: str,
        *,
        size: tuple[int, int] = (1280, 800),
        scheme: Literal["light", "dark"] = "light",
        zoom: float = 1,
        touch: bool = False,
        calm: bool = False,
        hosts: Collection[str] = (),
    ) -> Visit:
        viewport: ViewportSize = {"width": int(size[0] / zoom), "height": int(size[1] / zoom)}
        context = browser.new_context(
            viewport=viewport,
            device_scale_factor=zoom,
            color_scheme=scheme,
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce" if calm else "no-preference",
        )
        context.set_default_timeout(PATIENCE_MS)
        visits.append(Visit(context, url, hosts))
        return visits[-1]

    yield come
    if request.node.stash.get(_failed, False):
        name = re.sub(r"\W+", "-", request.node.name)
        for number, visit in enumerate(visits):
            visit.photograph(PICTURES / f"{name}-{number}.png")
    for visit in visits:
        visit.context.close()
    assert [problem for visit in visits for problem in visit.problems] == []


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo site as `parlour dev` serves it, answering from its pages."""
    settings = Settings(home=tmp_path_factory.mktemp("shop"), docs=PAGES, answer="extract")
    with serving(create_app(settings, site=Site.from_folder(PAGES))) as url:
        yield url


@dataclass
class Stage:
    """The demo site with an answerer that says what the test tells it to."""

    url: str
    answerer: Scripted


@pytest.fixture(scope="package")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    settings = Settings(home=tmp_path_factory.mktemp("stage"), heartbeat=1.0)
    answerer = Scripted()
    with serving(create_app(settings, answerer=answerer, site=Site.from_folder(PAGES))) as url:
        yield Stage(url, answerer)


@pytest.fixture
def stage(theatre: Stage) -> Stage:
    """The stage, cleared of what the test before has left."""
    theatre.answerer.answer_with = say("Hello ", "there.")
    theatre.answerer.titled = None
    theatre.answerer.questions.clear()
    theatre.answerer.thumbs.clear()
    return theatre


@pytest.fixture
def line(stage: Stage) -> Iterator[Cutting]:
    """The connection to the stage."""
    with cutting(stage.url) as proxy:
        yield proxy
