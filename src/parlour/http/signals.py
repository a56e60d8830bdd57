"""What a process does when it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_Handler = Callable[[int, FrameType | None], object] | int | None

SAME_ORDER: Final = 1.0
"""Seconds within which several signals are one order.

A terminal and some process managers tell every process of a group, and so does whoever started it.
"""


@contextmanager
def told_to_stop(
    first: Callable[[], object], again: Callable[[], object], *, alone: bool = False
) -> Iterator[None]:
    """Calls ``first`` at the first SIGTERM or SIGINT and ``again`` at each later one.

    Both are called inside the signal handler. The handlers that were there run afterwards, unless
    ``alone``; a signal that nobody handles is left alone, so that it still ends the process. Does
    nothing outside the main thread, which is where signals arrive.
    """
    told: float | None = None

    def handle(sent: int, frame: FrameType | None) -> None:
        nonlocal told
        if told is None:
            told = time.monotonic()
            first()
        elif time.monotonic() - told >= SAME_ORDER:
            again()
        before = replaced[signal.Signals(sent)]
        if callable(before) and not alone:
            before(sent, frame)

    replaced: dict[signal.Signals, _Handler] = {}
    if threading.current_thread() is threading.main_thread():
        for sent in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(sent)
            if alone or callable(before):
                replaced[sent] = before
                signal.signal(sent, handle)
    try:
        yield
    finally:
        for sent, before in replaced.items():
            if signal.getsignal(sent) is handle:
                signal.signal(sent, before)
