"""A process that upgrades databases in children of its own: ``python -m tests.stores.migrating``.

Reads lines of ``SPEC MOMENT [MOMENT]``: one child for each moment, all at once. A child dies of
SIGKILL at its moment: 2n before its nth change, 2n + 1 after it; -1 is never. Prints what became
of the children: 0 for those that ended well.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from sqlalchemy import event
from sqlalchemy.engine import Engine

import parlour.stores.migrations  # imported here, so that each child has it already
import parlour.stores.mysql
import parlour.stores.postgresql
import parlour.stores.sqlite  # noqa: F401
from parlour.stores import STORES


def die_at(moment: int) -> None:
    """Counts the statements that change something."""
    passed = 0

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal passed
        if not statement.lstrip().startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE")):
            return
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "after_cursor_execute", count)


def child(spec: str, moment: int) -> int:
    """Starts a child; its number."""
    number = os.fork()
    if number:
        return number
    try:
        die_at(moment)
        asyncio.run(STORES.load(spec).from_spec(spec).migrate())
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)


def main() -> None:
    for line in sys.stdin:
        spec, *moments = line.split()
        children = [child(spec, int(moment)) for moment in moments]
        ends = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children]
        sys.stdout.write(" ".join(map(str, ends)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
