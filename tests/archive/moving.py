"""A process that archives or restores: ``python -m tests.archive.moving SPEC out|in PATH``.

Prints a line for each step, so that it can be killed at any of them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from parlour.archive import moving
from parlour.archive.file import alone_in
from parlour.files import FILES
from parlour.stores import STORES
from tests.archive.content import soon


def told(doing: str, done: int, total: int | None) -> None:
    sys.stdout.write(f"{doing} {done}\n")
    sys.stdout.flush()


async def main(spec: str, direction: str, path: Path) -> None:
    store = STORES.load(spec).from_spec(spec)
    await store.open()
    if direction == "in":
        await moving.restore(store, path, told)
    else:
        files = FILES.load("local").from_spec(f"local:{path.parent / 'files'}")
        with alone_in(path):
            await moving.archive(store, files, path, soon(), told, per_file=5)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
