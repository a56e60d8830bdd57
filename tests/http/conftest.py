"""A real server over a real SQLite file, and visitors to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parlour.app import create_app
from parlour.settings import Settings
from tests.servers.answerers import Scripted
from tests.servers.client import Visitor
from tests.servers.serving import serving

Kept = Callable[[], list[str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, heartbeat=0.3, busy_wait=2.0)


@pytest.fixture
def answerer() -> Scripted:
    return Scripted()


@pytest.fixture
def url(settings: Settings, answerer: Scripted) -> Iterator[str]:
    with serving(create_app(settings, answerer=answerer)) as address:
        yield address


@pytest.fixture
def newcomer(url: str) -> Iterator[Callable[[], Visitor]]:
    """Makes visitors, each another guest."""
    made: list[Visitor] = []

    def make() -> Visitor:
        made.append(Visitor(url))
        return made[-1]

    yield make
    for visitor in made:
        visitor.close()


@pytest.fixture
def visitor(newcomer: Callable[[], Visitor]) -> Visitor:
    return newcomer()


@pytest.fixture
def kept(settings: Settings) -> Kept:
    """The names of the files that are kept, and of what is left of those that are not."""
    folder = settings.home / "files"
    return lambda: sorted(path.name for path in folder.rglob("*") if path.is_file())
