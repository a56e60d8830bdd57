"""Running turns shared through Redis, so that any server process can serve any reader."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

from parlour.errors import TurnLogUnavailable
from parlour.turnlog.base import Entry, TurnInfo, TurnWriter
from parlour.turnlog.local import LocalTurnLog
from parlour.turnlog.redis_link import Link, run
from parlour.turnlog.redis_locks import Locks
from parlour.turnlog.redis_publisher import Publisher
from parlour.turnlog.redis_replica import Replicas
from parlour.turnlog.redis_scripts import STOP, as_bytes, server_channel, thread_key, turn_keys

_BEAT_SECONDS = 2.0

log = logging.getLogger(__name__)


class RedisTurnLog(LocalTurnLog):
    """Keeps its own turns in memory, as the log in memory does, and tells Redis what they say.

    Readers of this process's turns read memory and never notice Redis. Readers of other processes'
    turns share one copy of each, fed by messages. A process has two connections, however many
    turns and readers there are.
    """

    def __init__(self, url: str, *, keep_seconds: float = 120, log_bytes: int = 16_000_000) -> None:
        super().__init__(keep_seconds=keep_seconds, log_bytes=log_bytes)
        server = secrets.token_hex(8)
        self._link = Link(url)
        self._channel = server_channel(server)
        self._publisher = Publisher(self._link, self._channel, keep_seconds)
        self._replicas = Replicas(self._link, log_bytes)
        self._locks = Locks(self._link, server)
        self._beating: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    def from_spec(cls, spec: str) -> RedisTurnLog:
        return cls(spec)

    async def open(self) -> None:
        await self._link.open()
        self._link.on_return = self._back
        await self._link.subscribe(self._channel, self._told)
        self._publisher.open()
        self._beating = asyncio.create_task(self._beat())

    async def healthy(self) -> None:
        if not self._link.connected:
            raise self._link.unavailable()
        await self._link.send(("PING",))

    async def start(
        self, owner: str, turn_id: str, thread_id: str, *, may_stop: bool = True
    ) -> TurnWriter:
        turn = self._begin(owner, turn_id, thread_id, may_stop)
        return await self._publisher.begin(turn)

    def read(self, owner: str, turn_id: str, after: int = 0) -> AsyncIterator[list[Entry]]:
        if self._log(turn_id) is not None:
            return super().read(owner, turn_id, after)
        return self._read_replica(owner, turn_id, max(after, 0))

    async def find(self, owner: str, turn_id: str) -> TurnInfo:
        if self._log(turn_id) is not None:
            return await super().find(owner, turn_id)
        return await self._replicas.find(owner, turn_id)

    async def running(self, owner: str, thread_id: str) -> str | None:
        own = await super().running(owner, thread_id)
        key = thread_key(owner, thread_id)
        try:
            (members,) = await self._link.send(("ZRANGE", key, 0, -1))
            turns = [each.decode() for each in cast(list[bytes], members)]
            others = [turn for turn in turns if self._log(turn) is None]
            alive = dict(zip(others, await self._replicas.runs(others), strict=True))
        except TurnLogUnavailable:
            return own  # a conversation can be looked at without Redis
        for turn in turns:
            ours = self._log(turn)
            if alive.get(turn) if ours is None else not ours.ended:
                return turn
            if ours is None and not self._link.settling:
                self._link.send(("ZREM", key, turn))
        return own

    async def request_stop(self, owner: str, turn_id: str) -> None:
        if self._log(turn_id) is not None:
            return await super().request_stop(owner, turn_id)
        await self._replicas.find(owner, turn_id)
        await self._link.ask(run(STOP, turn_keys(turn_id)[0], as_bytes(owner), turn_id))

    @asynccontextmanager
    async def hold(self, thread_id: str, wait: float) -> AsyncIterator[None]:
        end = time.monotonic() + wait
        claim = await self._locks.take(thread_id, wait)
        try:
            # Should Redis ever give a thread to two, at least not to two of this process.
            async with super().hold(thread_id, max(0.0, end - time.monotonic())):
                yield
        finally:
            await self._locks.leave(claim)

    async def close(self) -> None:
        await super().close()
        await self._publisher.close()
        self._replicas.close()
        for task in (self._beating, self._renewing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._link.close()

    async def _read_replica(
        self, owner: str, turn_id: str, after: int
    ) -> AsyncIterator[list[Entry]]:
        replica = await self._replicas.join(owner, turn_id)
        try:
            while True:
                batch = replica.entries.since(after)
                if batch:
                    after = batch[-1].seq
                    yield batch
                elif replica.failed is not None:
                    raise replica.failed
                elif replica.entries.ended:
                    return
                else:
                    await replica.entries.wait()
        finally:
            self._replicas.leave(replica)

    async def _beat(self) -> None:
        for number in itertools.count():
            await asyncio.sleep(_BEAT_SECONDS / 2)
            try:
                self._replicas.check()
                if number % 2:
                    self._publisher.touch(_BEAT_SECONDS * 0.9)
                    await self._locks.renew()
            except Exception:
                log.exception("running answers cannot be looked after")

    def _back(self) -> None:
        """Redis was away; it may know nothing any more."""
        self._renewing = asyncio.create_task(self._locks.renew())
        self._publisher.touch()
        self._replicas.catch_up()

    def _told(self, message: bytes) -> None:
        word, _, what = message.decode("utf-8", "surrogatepass").partition(" ")
        if word == "stop":
            self._publisher.stop(what)
        elif word == "read":
            self._publisher.read(what)
        elif word == "free":
            self._locks.wake(what)
