"""Closes what a server left running when it died."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta

from parlour.chat import events
from parlour.chat.draft import Draft
from parlour.errors import ParlourError, ThreadNotFound
from parlour.protocol import now
from parlour.stores.base import Store, TurnRecord

BEAT_SECONDS = 5.0
LEASE = timedelta(seconds=30)

log = logging.getLogger(__name__)


def server_name() -> str:
    """Names this process among all that ever served: host, process id, and a random part."""
    return f"{socket.gethostname()}|{os.getpid()}|{secrets.token_hex(8)}"


class Recovery:
    """Says that our turns are alive, and ends those whose server is not.

    A turn's server is gone when it ran on this host and its process does not exist, or when it has
    not been heard of for 30 seconds.
    """

    def __init__(self, store: Store, server: str, ours: Collection[str]) -> None:
        self._store = store
        self._server = server
        self._ours = ours
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Looks once now, and from then on every few seconds."""
        await self._recover()
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
                await self._recover()
            except ParlourError as error:
                log.warning("cannot look after running turns: %s", error.message)

    async def _recover(self) -> None:
        for turn in await self._store.running_turns():
            if turn.id not in self._ours and self._is_dead(turn):
                await self._close(turn)

    def _is_dead(self, turn: TurnRecord) -> bool:
        host, _, rest = turn.server.partition("|")
        pid = rest.partition("|")[0]
        here = host == socket.gethostname()
        if here and turn.server != self._server and pid.isdigit() and not _alive(int(pid)):
            return True
        return now() - turn.beat_at > LEASE

    async def _close(self, turn: TurnRecord) -> None:
        items = [item for item in turn.pending if Draft(item).worth_keeping]
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
    if pid == os.getpid():
        return False  # ours by number only: a container's next life
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
