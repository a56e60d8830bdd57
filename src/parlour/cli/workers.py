"""Several server processes on one socket: kept running, replaced one by one, and told to stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Final

from parlour.cli.terminal import err, explain
from parlour.errors import ParlourError
from parlour.http.signals import SAME_ORDER, told_to_stop

Started = Callable[[], None]
"""What a worker calls when it serves."""
Target = Callable[[socket.socket, Started], None]
"""A worker's whole life, in its own process."""

PAUSE: Final = 0.1
PATIENCE: Final = 15.0
"""Seconds beyond the grace after which a worker that was told to stop is killed."""

# A fork shares the memory of everything imported, and starts at once; elsewhere it is not safe.
_CONTEXT: Final[ForkContext | SpawnContext] = (
    multiprocessing.get_context("fork")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def child(target: Callable[..., None], *arguments: object) -> None:
    """Runs a function in a process of its own; ends this one, too, when it fails."""
    process = _start(_alone, target, *arguments)
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    says: Connection
    born: float = field(default_factory=time.monotonic)
    serves: bool = False

    def look(self) -> bool:
        """Whether it lives; and remembers that it serves once it says so."""
        if not self.serves and self.says.poll():
            with suppress(EOFError):
                self.serves = bool(self.says.recv_bytes())
        return self.process.is_alive()


class Workers:
    """Keeps ``count`` processes at work until told to stop, then gives them ``grace`` seconds.

    A worker that dies is replaced. SIGHUP replaces all, each old one leaving when a new one serves.
    A worker that cannot start while none has served yet ends it all.
    """

    def __init__(
        self, listening: socket.socket, target: Target, *, count: int, grace: float
    ) -> None:
        self._listening = listening
        self._target = target
        self._count = count
        self._grace = grace
        self._workers: list[_Worker] = []
        self._leaving: list[_Worker] = []
        self._outdated: list[_Worker] = []
        self._told = 0
        self._reload = False
        self._served = False

    def run(self) -> None:
        """Returns when told to stop and every worker has ended; exits with 1 if none can start."""

        def told() -> None:
            self._told += 1

        with told_to_stop(told, told, alone=True), self._reloading():
            while not self._told:
                self._look()
                self._replace()
                time.sleep(PAUSE)
            self._end()

    def _look(self) -> None:
        self._leaving = [worker for worker in self._leaving if worker.look()]
        for worker in list(self._workers):
            lives = worker.look()
            self._served |= worker.serves
            if lives or time.monotonic() - worker.born < 1:
                continue
            err.print(f"worker {worker.process.pid} ended with {worker.process.exitcode}")
            self._workers.remove(worker)
            if not worker.serves:
                self._outdated.clear()  # the new ones cannot start: the old ones stay
            if not self._served:
                self._end()
                sys.exit(1)

    def _replace(self) -> None:
        """One step towards ``count`` workers, none of them outdated."""
        if self._reload:
            self._reload = False
            self._outdated = list(self._workers)
        self._outdated = [worker for worker in self._outdated if worker in self._workers]
        ready = all(worker.serves for worker in self._workers)
        if self._outdated and ready and len(self._workers) > self._count:
            self._leave(self._outdated.pop(0))
        elif len(self._workers) < self._count or (self._outdated and ready):
            self._add()

    def _add(self) -> None:
        says, tell = _CONTEXT.Pipe(duplex=False)
        process = _start(_serving, self._target, self._listening, tell)
        tell.close()
        self._workers.append(_Worker(process, says))

    def _leave(self, worker: _Worker) -> None:
        worker.process.terminate()
        self._workers.remove(worker)
        self._leaving.append(worker)

    def _end(self) -> None:
        self._listening.close()
        until = time.monotonic() + self._grace + PATIENCE
        for worker in list(self._workers):
            self._leave(worker)
        while self._leaving and time.monotonic() < until:
            time.sleep(PAUSE)
            self._leaving = [worker for worker in self._leaving if worker.look()]
            if self._told > 1:
                for worker in self._leaving:
                    worker.process.terminate()
                time.sleep(SAME_ORDER / 2)
        for worker in self._leaving:
            worker.process.kill()

    @contextmanager
    def _reloading(self) -> Iterator[None]:
        def reload(*_: object) -> None:
            self._reload = True

        before = signal.signal(signal.SIGHUP, reload)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)


def _start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = _CONTEXT.Process(target=target, args=(os.getpid(), *arguments))
    # Held back until the child has handlers of its own.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return process


def _serving(parent: int, target: Target, listening: socket.socket, tell: Connection) -> None:
    _alone(parent, target, listening, lambda: tell.send_bytes(b"1"))


def _alone(parent: int, target: Callable[..., None], *arguments: object) -> None:
    """Until the target takes signals itself, SIGTERM ends the process, and the terminal does not."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL if each == signal.SIGTERM else signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        target(*arguments)
    except ParlourError as error:
        explain(error)
        sys.exit(2)


def _end_with(parent: int) -> None:
    """Workers whose parent was killed are nobody's: they stop as if told to."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
