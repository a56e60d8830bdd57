"""The turn locks of threads, across processes: a lease each, handed on in the order of asking."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from contextlib import suppress
from typing import cast

from parlour.errors import ThreadBusy, TurnLogUnavailable
from parlour.turnlog.redis_link import Link, run
from parlour.turnlog.redis_scripts import LEAVE, RENEW, TAKE, lock_keys

_LEASE_MS = 7000
_WAITING_MS = 3000
_LATE_MS = 2000
_ASK_AGAIN = 1.0
_RELEASE_SECONDS = 1.0
_GIVE_UP_SECONDS = 10.0
_PAUSE = 0.1

log = logging.getLogger(__name__)


class Claim:
    """One wish to hold a thread."""

    def __init__(self, thread_id: str, token: str) -> None:
        self.thread_id = thread_id
        self.keys = lock_keys(thread_id)
        self.token = token
        self.place = ""
        """In the queue, once it stands there."""
        self.free = asyncio.Event()
        self.lost = False


class Locks:
    """What this process holds and waits for.

    A lease is 7 seconds, renewed every 2. After a gap in the contact with Redis nobody takes a
    thread before those who hold one have had the time to say so again, and a wish that reaches
    Redis late counts for nothing: it may come from before the gap.
    """

    def __init__(self, link: Link, server: str) -> None:
        self._link = link
        self._server = server
        self._numbers = itertools.count()
        self._held: dict[str, Claim] = {}
        self._waiting: dict[str, Claim] = {}
        self._left: list[Claim] = []  # what Redis has not been told

    async def take(self, thread_id: str, wait: float) -> Claim:
        """Holds a thread; ``ThreadBusy`` when others do for longer than ``wait`` seconds."""
        claim = Claim(thread_id, f"{self._server}:{next(self._numbers)}")
        self._waiting[claim.token] = claim
        try:
            await self._queue(claim, time.monotonic() + wait)
        except BaseException:
            await self.leave(claim)
            raise
        finally:
            del self._waiting[claim.token]
        self._held[claim.token] = claim
        return claim

    async def leave(self, claim: Claim) -> None:
        """Lets a thread go, or the wish for it; later, if Redis is away now."""
        self._held.pop(claim.token, None)
        told = self._link.send(run(LEAVE, *claim.keys, claim.token))
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await asyncio.shield(told)
        except TimeoutError:
            return
        except TurnLogUnavailable:
            self._left.append(claim)

    def wake(self, token: str) -> None:
        """A thread has got free for whoever waits with this token."""
        if claim := self._waiting.get(token):
            claim.free.set()

    async def renew(self) -> None:
        """Says again what is held here, and what is held no longer."""
        left, self._left = self._left, []
        for claim in left:
            self._link.send(run(LEAVE, *claim.keys, claim.token))
        with suppress(TurnLogUnavailable):
            if not await self._renew():
                await self._link.unsettle()
                await self._renew()

    async def _renew(self) -> bool:
        """False when it came too late to count."""
        claims = list(self._held.values())
        sent = self._link.milliseconds()
        commands = [
            run(RENEW, claim.keys[0], sent, _LATE_MS, claim.token, _LEASE_MS) for claim in claims
        ]
        replies = await self._link.send(*commands) if commands else []
        for claim, reply in zip(claims, replies, strict=True):
            if reply == b"lost" and not claim.lost and claim.token in self._held:
                claim.lost = True
                log.warning(
                    "thread %r is held by another server too, which took this one for dead",
                    claim.thread_id,
                )
        return b"late" not in replies

    async def _queue(self, claim: Claim, end: float) -> None:
        give_up = max(end, time.monotonic() + _GIVE_UP_SECONDS)
        while True:
            claim.free.clear()
            # Who stands in the queue says so at once after a gap; others wait until all have.
            await (self._link.there() if claim.place else self._link.settled())
            try:
                answer = await self._ask(claim, queue=time.monotonic() < end)
            except TurnLogUnavailable:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(_PAUSE)
                continue
            if answer == b"taken":
                return
            left = end - time.monotonic()
            if answer == b"late":
                if time.monotonic() > give_up:
                    raise self._link.unavailable("It answers too late.")
                await self._link.unsettle()
                continue
            if left <= 0:
                raise ThreadBusy("An answer is already being written in this thread.")
            if answer != b"busy":
                claim.place = answer.decode()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _ASK_AGAIN)):
                    await claim.free.wait()

    async def _ask(self, claim: Claim, *, queue: bool) -> bytes:
        waiting = _WAITING_MS if queue else ""
        may_take = "" if self._link.settling else "1"
        sent = (self._link.milliseconds(), _LATE_MS)
        wish = (claim.token, _LEASE_MS, waiting, claim.place, may_take)
        (answer,) = await self._link.send(run(TAKE, *claim.keys, *sent, *wish))
        if isinstance(answer, Exception):
            raise self._link.unavailable(str(answer)) from answer
        return cast(bytes, answer)
