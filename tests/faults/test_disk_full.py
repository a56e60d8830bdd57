"""A disk without space in mid-answer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Arriving, Serving
from tests.faults.promises import hold
from tests.servers.dictated import Order
from tests.services.running import cannot_be_had

SIZE = 2_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    mounted = subprocess.run(
        [
            "mount" if os.getuid() == 0 else "sudo",
            *(["-n", "mount"] if os.getuid() else []),
            *options,
        ],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        cannot_be_had(f"A small disk needs root: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=False)


async def test_a_full_disk_is_said_and_what_was_acknowledged_stays(
    serving: Serving, arrive: Arriving, small: Path
) -> None:
    server = serving(database_url=f"sqlite:///{small / 'chat.db'}")
    witness = await arrive(server.url)
    first = await witness.ask(server.url, Order("first", words=20, parts=2))
    assert first.finished
    ballast = small / "ballast"
    order = Order("full", words=200, parts=3, padding=400)
    seen, asking = witness.begin(server.url, order, first.thread)
    await seen.until(lambda seen: seen.length > 1000)
    fill(ballast)
    struck = time.monotonic()
    await asking
    assert seen.ended
    assert [error["allow_retry"] for error in seen.errors] == [True], "and its text is no answer"
    refused = await witness.ask(server.url, Order("refused", words=5), first.thread)
    assert refused.refused == "store_unavailable" or refused.errors
    ballast.unlink()
    await hold(witness, server.url, fault=struck)


def fill(ballast: Path) -> None:
    """Takes every byte there is."""
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
