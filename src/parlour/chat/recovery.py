"""Closes what a server left running when it died."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from parlour.chat import events
from parlour.chat.draft import Draft
from parlour.errors import ThreadNotFound
from parlour.stores.base import Store, Thread, TurnRecord

BEAT_SECONDS = 2.0
LEASE_SECONDS = 7.0
_PROCESS = secrets.token_hex(4)
"""Tells this process from an earlier one with its number."""

log = logging.getLogger(__name__)


def _here() -> str:
    place = hashlib.blake2b(digest_size=8)
    with suppress(OSError):  # Linux alone has these
        place.update(Path("/proc/sys/kernel/random/boot_id").read_bytes())
        place.update(os.readlink("/proc/self/ns/pid").encode())
    return f"{socket.gethostname()}/{place.hexdigest()}"


HERE: Final = _here()
"""Where our process ids mean something; cloned machines and containers may share a host's name."""


def server_name() -> str:
    """Names a server among all that ever ran: place, process id, process, and a random part."""
    return f"{HERE}|{os.getpid()}|{_PROCESS}|{secrets.token_hex(8)}"


class Recovery:
    """Says that our turns are alive, and ends those whose server is not.

    A turn's server is gone when it ran here and its process does not exist, or when nothing was
    heard of it for 7 seconds of our own clock: other servers' clocks may be wrong, and after a
    laptop's sleep every beat is old. A turn of ours whose end could not be stored is ended as well.
    """

    def __init__(
        self, store: Store, server: str, ours: Collection[str], *, lease: float = LEASE_SECONDS
    ) -> None:
        self._store = store
        self._server = server
        self._ours = ours
        self._lease = lease
        self._heard: dict[str, tuple[datetime | None, float]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Looks once now, and from then on every few seconds."""
        await self.recover()
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                if self._ours:
                    await self._store.beat(self._server)
                await self.recover()
            except Exception as error:
                # Whoever falls silent here is taken for dead by the other servers.
                log.warning("cannot look after running turns: %r", error)

    async def recover(self) -> None:
        """Looks once; a turn that cannot be ended does not keep the others from it."""
        clock = time.monotonic()
        heard = {}
        for turn in await self._store.running_turns():
            if turn.id in self._ours:
                continue
            beat = None if turn.server == self._server else turn.beat_at
            last, since = self._heard.get(turn.id, (beat, clock))
            heard[turn.id] = (beat, since if beat == last else clock)
            if self._is_gone(turn.server) or clock - heard[turn.id][1] > self._lease:
                try:
                    await self._close(turn)
                except Exception as error:
                    log.error("turn %s cannot be ended: %r", turn.id, error)
        self._heard = heard

    def _is_gone(self, server: str) -> bool:
        host, pid, process = [*server.split("|"), "", ""][:3]
        if host != HERE or not pid.isdigit():
            return False
        if int(pid) == os.getpid():
            return process != _PROCESS
        return not _alive(int(pid))

    async def _close(self, turn: TurnRecord) -> None:
        items = [item for item in turn.pending if Draft(item).worth_keeping]
        if items:
            # A thread that is not there was never made: a deleted one takes its turns with it.
            await self._store.add_thread(turn.owner, Thread(turn.thread_id, turn.beat_at))
        with suppress(ThreadNotFound):
            if items or await self._waits(turn):
                items = [*items, events.mark(turn.thread_id, "interrupted")]
        await self._store.end_turn(turn.owner, turn.id, "interrupted", items)
        log.info("turn %s was interrupted; %d items kept", turn.id, len(items))

    async def _waits(self, turn: TurnRecord) -> bool:
        """Whether the thread holds something, and nothing says yet how it ended."""
        page = await self._store.list_items(turn.owner, turn.thread_id, limit=1)
        return bool(page.data) and '"outcome"' not in page.data[0].data


def _alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # to ask would be to end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
