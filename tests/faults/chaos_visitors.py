"""Visitors who do everything at once, and check what they are told while they do it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from parlour.protocol import JsonObject, new_id
from tests.faults.witness import LOST, Refusal, Seen, Witness
from tests.servers.dictated import Order

MOST_THREADS = 12
"""A visitor with this many asks in those; the oldest are deleted now and then."""
ATTEMPTS = 25
PAUSE = 0.4


@dataclass
class Trouble:
    """What a visitor found that must not be; ``thread`` where it was found."""

    thread: str | None
    found: str


@dataclass
class Visitor:
    """One visitor: chance decides what is done next, and at which of the ``addresses``."""

    witness: Witness
    chance: random.Random
    addresses: list[str]
    tally: Counter[str]
    name: str
    titles: dict[str, set[str | None]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    count: int = 0

    async def live(self, until: float) -> None:
        """Does one thing after the other until then."""
        doings: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self.ask),
            (4, self.ask_and_leave),
            (3, self.ask_and_stop),
            (2, self.retry),
            (2, self.rename),
            (1, self.delete),
            (2, self.look),
            (2, self.ask_with_file),
        ]
        weights = [weight for weight, _ in doings]
        while time.monotonic() < until:
            (chosen,) = self.chance.choices([doing for _, doing in doings], weights)
            try:
                await chosen()
            except LOST:
                self.tally["requests lost on the way"] += 1
            except Refusal as refused:
                self.tally[f"refused: {refused}"] += 1
            await asyncio.sleep(self.chance.uniform(0, 0.1))

    # -- what a visitor does ---------------------------------------------------------------------

    async def ask(self) -> None:
        await self._through(self._new_question())

    async def ask_with_file(self) -> None:
        data = b"A line of words.\n" * self.chance.randint(1, 300)
        attachment = await self.witness.upload(self._address(), data)
        self.tally["uploads"] += 1
        seen = self._new_question()
        seen.attachments = (attachment,)
        await self._through(seen)
        if seen.question and [file["id"] for file in seen.question["attachments"]] != [attachment]:
            raise Violation(Trouble(seen.thread, f"{seen.order.name} has lost its attachment"))

    async def ask_and_leave(self) -> None:
        """Closes the laptop in mid-answer, and reads on later somewhere else."""
        seen = self._new_question()
        asking = asyncio.create_task(self._put(seen))
        await asyncio.wait({asking}, timeout=self.chance.uniform(0.02, 0.8))
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking})
            await asyncio.sleep(self.chance.uniform(0, 0.5))
        await self._through(seen)

    async def ask_and_stop(self) -> None:
        seen = self._new_question()
        asking = asyncio.create_task(self._through(seen))
        await asyncio.wait({asking}, timeout=self.chance.uniform(0.05, 0.6))
        if seen.turn is not None and not asking.done():
            try:
                status = await self.witness.stop(self._address(), seen)
                self.tally["stops asked for" if status == 200 else f"stop: {status}"] += 1
            except LOST:
                self.tally["requests lost on the way"] += 1
        await asking

    async def retry(self) -> None:
        known = {seen.thread: seen for seen in self.witness.seen if seen.question and seen.over}
        choices = [seen for thread, seen in known.items() if thread not in self.witness.deleted]
        if not choices:
            return
        asked = self.chance.choice(choices)
        self.tally["retries"] += 1
        seen = await self.witness.retry(self._address(), asked)
        await self._read_on(seen)
        self._count(seen)

    async def rename(self) -> None:
        thread = self._some_thread()
        if thread is None:
            return
        title = f"title {new_id('task')[-6:]}"
        # One that was never acknowledged may be carried out, now or later.
        possible = self.titles.setdefault(thread, {None})
        possible.add(title)
        address = self._address()
        _refuse(await self.witness.post(address, "threads.update", thread_id=thread, title=title))
        possible.discard(self.named.get(thread))
        self.named[thread] = title
        self.tally["renames"] += 1

    async def delete(self) -> None:
        thread = self._some_thread()
        if thread is None or len(self.threads()) < MOST_THREADS // 2:
            return
        self.witness.deleting.add(thread)
        _refuse(await self.witness.post(self._address(), "threads.delete", thread_id=thread))
        self.witness.deleted.add(thread)
        self.tally["deletions"] += 1

    async def look(self) -> None:
        """Every acknowledged item of a thread is there at any time, once and in order."""
        known = self.threads()
        listed = [thread["id"] for thread in await self.witness.threads(self._address())]
        self.tally["lists"] += 1
        for each in known:
            if listed.count(each) != 1 and each not in self.witness.deleting:
                raise Violation(Trouble(each, f"it is listed {listed.count(each)} times"))
        thread = self._some_thread()
        if thread is None:
            return
        acknowledged = self._acknowledged(thread)
        items = [item["id"] for item in await self.witness.items(self._address(), thread)]
        if thread in self.witness.deleting:
            return
        places = [items.index(each) if each in items else -1 for each in acknowledged]
        if -1 in places or places != sorted(places) or len(set(items)) != len(items):
            found = f"{acknowledged} were acknowledged in this order, and {items} are there"
            raise Violation(Trouble(thread, found))

    # -- how it is done --------------------------------------------------------------------------

    def _address(self) -> str:
        return self.chance.choice(self.addresses)

    def threads(self) -> list[str]:
        """Those where something of this visitor was acknowledged."""
        seen = (each.thread for each in self.witness.seen if each.done)
        known = dict.fromkeys(thread for thread in seen if thread is not None)
        return [thread for thread in known if thread not in self.witness.deleting]

    def _some_thread(self) -> str | None:
        threads = self.threads()
        return self.chance.choice(threads) if threads else None

    def _acknowledged(self, thread: str) -> list[str]:
        """Ids of the questions that were acknowledged, oldest first: nothing ever removes these."""
        seen = [each for each in self.witness.seen if each.thread == thread and each.question]
        asked = [each for each in seen if not each.retry]
        return [each.question["id"] for each in asked if each.question]

    def _new_question(self) -> Seen:
        self.count += 1
        chance = self.chance
        order = Order(
            f"{self.name}q{self.count}",
            words=chance.choice([1, 5, 20, 60, 120]),
            delay=chance.choice([0, 0.002, 0.01, 0.02]),
            parts=chance.choice([1, 1, 2, 3]),
            padding=chance.choice([0, 0, 0, 200]),
            pause=chance.choice([0, 0, 0.3]),
            fail_after=chance.choice([None] * 7 + [3]),
        )
        threads = self.threads()
        old = len(threads) >= MOST_THREADS or (threads and chance.random() < 0.6)
        self.tally["questions"] += 1
        return self.witness.expect(order, chance.choice(threads) if old else None)

    async def _put(self, seen: Seen) -> None:
        await self.witness.put(self._address(), seen, key=seen.order.name)

    async def _through(self, seen: Seen) -> None:
        """Asks until the question has been taken or refused, and reads until its answer is over."""
        for attempt in range(ATTEMPTS):
            if seen.turn is not None or seen.refused in FINAL:
                break
            if attempt:
                await asyncio.sleep(PAUSE)
                self.tally["questions sent again"] += 1
            await self._put(seen)
        await self._read_on(seen)
        self._count(seen)

    async def _read_on(self, seen: Seen) -> None:
        for _ in range(ATTEMPTS):
            if seen.turn is None or seen.ended or seen.refused == "turn_not_found":
                return
            await asyncio.sleep(self.chance.uniform(0, PAUSE))
            await self.witness.resume(self._address(), seen)
            self.tally["answers read on"] += 1

    def _count(self, seen: Seen) -> None:
        if seen.finished:
            self.tally["answers finished"] += 1
        for mark in seen.marks[-1:]:
            self.tally[f"answers {mark}"] += 1
        if seen.refused:
            self.tally[f"refused: {seen.refused}"] += 1
        for error in seen.errors[-1:]:
            self.tally[f"error events: {error['code']}"] += 1
        if not (seen.finished or seen.marks or seen.refused or seen.errors):
            self.tally["answers whose end nobody saw"] += 1


FINAL = ("thread_not_found", "duplicate_request", "conflict", "attachment_not_found")
"""Refusals that asking again does not change."""


class Violation(Exception):
    """A promise is broken."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.found)
        self.trouble = trouble


def _refuse(answer: JsonObject) -> None:
    if "error" in answer:
        raise Refusal(answer["error"]["code"])
