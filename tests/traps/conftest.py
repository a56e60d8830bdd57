"""One server, hosted by OpenAI's engine and by ours, both over real sockets and SQLite files."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from parlour.app import create_app
from parlour.settings import Settings
from tests.servers.serving import serving
from tests.traps.engines import Engine, Stage
from tests.traps.official import OfficialFiles, OfficialStore, official_app


@pytest.fixture(scope="package", params=["parlour", "official"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp(request.param)
    stage = Stage()
    if request.param == "parlour":
        settings = Settings(home=home, heartbeat=0.2, busy_wait=10.0)
        with serving(create_app(settings, server=stage)) as url:
            yield Engine(url, stage)
        return
    # The engine says what went wrong where nobody of the visitors reads it, and here neither.
    logging.getLogger("chatkit").setLevel(logging.CRITICAL)
    stage.store = store = OfficialStore(home / "chat.db")
    stage.attachment_store = OfficialFiles()
    with serving(official_app(stage)) as url:
        yield Engine(url, stage, store)
    store.close()
    logging.getLogger("chatkit").setLevel(logging.NOTSET)


@pytest.fixture
def engine(running: Engine) -> Iterator[Engine]:
    """Each in turn, with nothing on the stage."""
    running.stage.reset()
    if running.store is not None:
        running.store.reset()
    yield running
    running.stage.go_on.set()
    running.left()


@pytest.fixture(params=[False, True], ids=["parlour", "official"])
def official(request: pytest.FixtureRequest) -> bool:
    """For tests that start their own: ours, and OpenAI's."""
    return bool(request.param)
