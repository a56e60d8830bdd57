"""Turns of other processes: one copy of each in this one, for all who read it here."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import cast

from parlour.errors import TurnLogUnavailable, TurnNotFound
from parlour.turnlog.base import TurnInfo
from parlour.turnlog.entries import Entries
from parlour.turnlog.redis_batch import Batch, decode_batch
from parlour.turnlog.redis_link import Command, Link
from parlour.turnlog.redis_publisher import RUNNING_MS
from parlour.turnlog.redis_scripts import as_bytes, turn_keys

LEASE_SECONDS = 7.0
"""How long a server may be silent before it is taken for dead."""
GONE_SECONDS = 12.0
"""After so much silence its turns are not found any more: by now the store has ended them."""
AWAY_SECONDS = 15.0
"""How long readers of other processes' turns wait for a Redis that is away."""

_QUIET_SECONDS = 4.5
_COUNT = 200

log = logging.getLogger(__name__)


class Replica:
    """The copy of one turn, fed by messages, and by the log in Redis where those left a gap."""

    def __init__(self, turn_id: str, max_bytes: int) -> None:
        self.turn_id = turn_id
        self.keys = turn_keys(turn_id)
        self.owner = b""
        self.entries = Entries(max_bytes)
        self.readers = 0
        self.heard = time.monotonic()
        self.failed: TurnLogUnavailable | None = None
        self.ready: asyncio.Task[None] | None = None
        self.catching_up: asyncio.Task[None] | None = None

    def take(self, batch: Batch) -> bool:
        """Adds what is new; False when something before it is missing."""
        entries = self.entries
        if batch.first > entries.last + 1:
            return False
        if batch.last > entries.last:
            for entry in batch.entries():
                if entry.seq > entries.last:
                    entries.append(entry)
        if batch.ended and batch.last == entries.last and not entries.ended:
            entries.end()
        return True


class Replicas:
    """Makes, feeds and drops copies; thousands of readers cost one connection."""

    def __init__(self, link: Link, max_bytes: int) -> None:
        self._link = link
        self._max_bytes = max_bytes
        self._replicas: dict[str, Replica] = {}

    async def find(self, owner: str, turn_id: str) -> TurnInfo:
        """What Redis knows of a turn; ``TurnNotFound`` unless it is this owner's."""
        commands = _look(turn_keys(turn_id)[0])
        replies = await self._link.ask(*commands)
        if replies[0] == [None] * 4 and self._link.settling:
            # A Redis that has forgotten: whoever writes this turn is about to say so.
            await self._link.settled()
            replies = await self._link.ask(*commands)
        owned_by, thread_id, may_stop, ended = cast(list[bytes | None], replies[0])
        gone = not ended and _silence(replies[1]) > GONE_SECONDS and not self._link.settling
        if owned_by != as_bytes(owner) or thread_id is None or gone:
            raise TurnNotFound(f"There is no running answer {turn_id}.")
        thread = thread_id.decode("utf-8", "surrogatepass")
        return TurnInfo(turn_id, thread, may_stop != b"0")

    async def runs(self, turn_ids: list[str]) -> list[bool]:
        """Whether each turn is there, has not ended, and its writer is alive."""
        commands: list[Command] = []
        for turn_id in turn_ids:
            meta = turn_keys(turn_id)[0]
            commands += [("HEXISTS", meta, "ended"), ("PTTL", meta)]
        replies = await self._link.ask(*commands)
        return [
            not ended and _alive(lives)
            for ended, lives in zip(replies[::2], replies[1::2], strict=True)
        ]

    async def join(self, owner: str, turn_id: str) -> Replica:
        """The copy of a turn, up to date; to be left. ``TurnNotFound`` unless it is this owner's."""
        replica = self._replicas.get(turn_id)
        if replica is None:
            await self.find(owner, turn_id)
            replica = self._replicas.get(turn_id) or self._make(owner, turn_id)
        elif replica.owner != as_bytes(owner):
            raise TurnNotFound(f"There is no running answer {turn_id}.")
        replica.readers += 1
        try:
            assert replica.ready is not None
            await asyncio.shield(replica.ready)
        except BaseException:
            self.leave(replica)
            raise
        return replica

    def leave(self, replica: Replica) -> None:
        """The last one out drops the copy."""
        replica.readers -= 1
        if replica.readers <= 0:
            self._drop(replica)

    def check(self) -> None:
        """Fails the copies whose writers are dead, and all when Redis stays away."""
        now = time.monotonic()
        for replica in list(self._replicas.values()):
            if replica.entries.ended:
                continue
            if not self._link.connected:
                if now - self._link.since > AWAY_SECONDS:
                    replica.failed = self._link.unavailable()
                    replica.entries.end()
                    self._drop(replica)
            elif now - max(replica.heard, self._link.since) > _QUIET_SECONDS:
                self._catch_up(replica)

    def catch_up(self) -> None:
        """After a gap in the contact."""
        for replica in self._replicas.values():
            self._catch_up(replica)

    def close(self) -> None:
        for replica in list(self._replicas.values()):
            replica.entries.end()
            self._drop(replica)

    def _make(self, owner: str, turn_id: str) -> Replica:
        replica = self._replicas[turn_id] = Replica(turn_id, self._max_bytes)
        replica.owner = as_bytes(owner)
        replica.ready = asyncio.create_task(self._prepare(replica))
        return replica

    async def _prepare(self, replica: Replica) -> None:
        def heard(data: bytes) -> None:
            self._heard(replica, data)

        try:
            await self._link.subscribe(replica.keys[2], heard)
        except TurnLogUnavailable:
            await self._link.there()  # and so is the subscription
        (channel,) = await self._link.ask(("HGET", replica.keys[0], "server"))
        if isinstance(channel, bytes):
            self._link.send(("PUBLISH", channel, f"read {replica.turn_id}"))
        await self._read_log(replica)

    def _drop(self, replica: Replica) -> None:
        if self._replicas.get(replica.turn_id) is replica:
            del self._replicas[replica.turn_id]
            self._link.unsubscribe(replica.keys[2])
        for task in (replica.ready, replica.catching_up):
            if task is not None and not task.done():
                task.cancel()

    def _heard(self, replica: Replica, data: bytes) -> None:
        replica.heard = time.monotonic()
        if not replica.take(decode_batch(data)):
            self._catch_up(replica)

    def _catch_up(self, replica: Replica) -> None:
        if replica.catching_up is None or replica.catching_up.done():
            replica.catching_up = asyncio.create_task(self._catch_up_quietly(replica))

    async def _catch_up_quietly(self, replica: Replica) -> None:
        try:
            await self._read_log(replica)
        except TurnLogUnavailable:
            return  # the next message, or the end of the gap, tries again
        except Exception:
            log.exception("turn %s cannot be read from Redis", replica.turn_id)

    async def _read_log(self, replica: Replica) -> None:
        """Reads on where the copy ends; fails it when there is no more and the writer is dead."""
        meta, kept, _ = replica.keys
        entries = replica.entries
        while not entries.ended:
            before = entries.last
            found, known, lives = await self._link.ask(
                ("XRANGE", kept, f"{before + 1}-0", "+", "COUNT", _COUNT),
                ("HMGET", meta, "last", "ended"),
                ("PTTL", meta),
            )
            for _, (_, data) in cast(list[tuple[bytes, tuple[bytes, bytes]]], found):
                batch = decode_batch(data)
                if not replica.take(batch):
                    entries.skip(batch.first - 1)  # its beginning was dropped
                    replica.take(batch)
            last, ended = cast(list[bytes | None], known)
            if last is not None and int(last) > entries.last > before:
                continue
            if ended and last is not None and int(last) == entries.last:
                entries.end()
            elif self._is_dead(replica, lives):
                replica.failed = TurnLogUnavailable(
                    "The server that wrote this answer is gone.",
                    hint="Load the thread: what it had written is kept there.",
                )
                entries.end()
            return

    def _is_dead(self, replica: Replica, lives: object) -> bool:
        """Whether the writer has been silent for too long, and not because Redis was away."""
        if _alive(lives):
            replica.heard = time.monotonic()
            return False
        known = lives != -2
        quiet = time.monotonic() - max(replica.heard, self._link.since)
        return not self._link.settling and (known or quiet > LEASE_SECONDS)


def _look(meta: str) -> tuple[Command, ...]:
    return ("HMGET", meta, "owner", "thread", "may_stop", "ended"), ("PTTL", meta)


def _silence(lives: object) -> float:
    """Seconds since the last sign of life of a turn that lives for so many milliseconds more."""
    return (RUNNING_MS - cast(int, lives)) / 1000


def _alive(lives: object) -> bool:
    """Whether a turn with so much time left had a sign of life not long ago."""
    return _silence(lives) < LEASE_SECONDS
