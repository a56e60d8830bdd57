"""A clock that is moved by an hour in mid-answer."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parlour.protocol import now
from tests.faults.conftest import Arriving
from tests.faults.fleet import SECRET
from tests.faults.promises import hold
from tests.servers.dictated import Order
from tests.services.running import Process, cannot_be_had, free_port

HOUR = 3600
CODE = """
import sys
from tests.servers.dictated import Dictated
from tests.servers.forked_child import serve
serve({"home": sys.argv[1], "secret": sys.argv[2]}, int(sys.argv[3]), Dictated)
"""


def libfaketime() -> str:
    """The library that tells a process another time than the machine's."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        cannot_be_had("libfaketime is not installed; scripts/services installs it.")
    return str(found[0])


@dataclass
class Server:
    """A server with a clock of its own, which ``move`` sets; its timers go on as they should."""

    process: Process
    url: str
    clock: Path

    def move(self, seconds: int) -> None:
        whole = self.clock.with_suffix(".new")
        whole.write_text(f"{seconds:+d}\n")
        whole.replace(self.clock)


def started(home: Path) -> Server:
    port = free_port()
    clock = home / f"clock-{port}"
    clock.write_text("+0\n")
    url = f"http://127.0.0.1:{port}"
    process = Process(
        [sys.executable, "-c", CODE, str(home), SECRET, str(port)],
        lambda: urllib.request.urlopen(f"{url}/health", timeout=5).close(),
        log=home / f"server-{port}.log",
        env={
            "LD_PRELOAD": libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )
    process.start()
    return Server(process, url, clock)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers on one database."""
    both = [started(tmp_path), started(tmp_path)]
    yield both
    for each in both:
        each.process.kill()


async def test_a_clock_that_jumps_an_hour_ends_nothing_and_mixes_nothing_up(
    servers: list[Server], arrive: Arriving
) -> None:
    jumping, steady = servers
    witness = await arrive(jumping.url)
    first = await witness.ask(jumping.url, Order("first", words=5))
    long = Order("long", words=700, delay=0.015)
    seen, asking = witness.begin(jumping.url, long, first.thread)
    for part, moved in enumerate((HOUR, -HOUR, 0)):
        read = len(long.part(0)) * part // 3
        await seen.until(lambda seen, read=read: seen.length > read)  # type: ignore[misc]
        jumping.move(moved)
        other = await witness.ask(jumping.url, Order(f"moved{part}", words=5))
        again = await witness.ask(jumping.url, Order(f"again{part}", words=5), other.thread)
        assert other.finished
        assert again.finished
        told = _seconds(again.done[-1]["created_at"])
        assert abs(told - time.time() - moved) < 60, "the clock was moved"
    await asking
    assert seen.finished, (seen.errors, seen.marks, seen.broken)
    assert seen.over_at - seen.asked_at > 9, "the other server had time to take it for dead"
    await hold(witness, steady.url)
    await hold(witness, jumping.url)


def _seconds(stamp: str) -> float:
    return type(now()).fromisoformat(stamp).timestamp()
