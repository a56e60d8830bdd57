"""A short run of the chaos that ``make chaos`` makes for longer."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.chaos import Plan, run


@pytest.mark.parametrize(
    "setup",
    [{}, {"database": "postgresql", "redis": True, "servers": 2}],
    ids=["one-server", "two-servers"],
)
async def test_chaos_breaks_no_promise(chance: random.Random, setup: dict[str, object]) -> None:
    plan = Plan(chance.randrange(10**6), 30, **setup)  # type: ignore[arg-type]
    # Not in pytest's folder, which another run of pytest closes to everybody but its user.
    with TemporaryDirectory(prefix="parlour-") as folder:
        Path(folder).chmod(0o755)
        result = await run(plan, Path(folder))
    sys.stdout.write(result.told())
    assert not result.trouble, "see the story above"
    assert result.tally["answers finished"] > 5
