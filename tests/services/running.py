"""Starting and stopping a server process, and what happens when it cannot be had."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

PATIENCE = 60.0


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def cannot_be_had(reason: str) -> NoReturn:
    """Skips with the reason at home, fails with it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(*names: str) -> str:
    """The path of the first of these programs that is installed."""
    for name in names:
        if found := shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin"):
            return found
    cannot_be_had(f"{names[0]} is not installed; scripts/services installs it.")


def own(folder: Path, user: str) -> None:
    """Gives a folder to a user that a server insists on running as, if we are root."""
    if os.getuid() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, user)
        for parent in folder.parents:
            if parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)


class Process:
    """A server process: ``start``, ``stop`` (gently), ``kill``, ``restart``; stopping twice is fine.

    ``ready`` returns when the server answers, and raises ``OSError`` while it does not. ``user`` is
    who it runs as when we are root.
    """

    def __init__(
        self,
        command: Sequence[str],
        ready: Callable[[], None],
        *,
        log: Path,
        user: str | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._ready = ready
        self._user = user if os.getuid() == 0 else None
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=self._user,
                group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                env=None if self._env is None else os.environ | self._env,
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self._ready()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    tail = self.log.read_text("utf-8", "replace")[-2000:]
                    self.kill()
                    raise AssertionError(
                        f"{self.command[0]} did not start: {error}\n{tail}"
                    ) from error
                time.sleep(0.05)

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        """Ends it as an operator would, and waits."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sent)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Ends it without mercy, and waits."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def restart(self) -> None:
        """A fast restart, as an upgrade does it."""
        self.stop()
        self.start()


def listens(port: int) -> Callable[[], None]:
    """A ``ready`` for servers that answer as soon as they listen."""

    def ready() -> None:
        socket.create_connection(("127.0.0.1", port), 1).close()

    return ready
