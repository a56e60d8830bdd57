"""What must hold after any fault, looked at with a fresh connection.

- Every item that a visitor saw acknowledged is there exactly once, as it was seen, in order.
- What had been read half a second before the fault is there.
- An answer without a mark is complete; one that is not complete has exactly one mark, at its end.
- The visitor's list shows every thread exactly once.
- No thread stays locked: a new turn starts within ten seconds, and finishes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from parlour.protocol import JsonObject, message_text
from tests.faults.witness import Seen, Witness
from tests.servers.dictated import Order

JOURNAL = 0.5
"""Seconds after which what was read must be on disk, on a machine as busy as ours."""
FREE_AGAIN = 10.0
SETTLING = 25.0
"""How long the last turns of a server may need to end, with what a busy machine adds."""


async def hold(
    witness: Witness, url: str, *, fault: float | None = None, ask_again: bool = True
) -> None:
    """Raises ``AssertionError`` with everything that is broken. ``fault`` is when it struck."""
    broken = await settled(witness, url, fault)
    assert not broken, "\n".join(broken)
    if ask_again:
        again = {seen.thread for seen in witness.seen if seen.done} - witness.deleting - {None}
        turns = await asyncio.gather(*(next_turn(witness, url, str(each)) for each in again))
        told = [line for lines in turns for line in lines]
        assert not told, "\n".join(told)


async def settled(witness: Witness, url: str, fault: float | None = None) -> list[str]:
    """What is broken once everything has come to rest; empty when nothing is."""
    end = time.monotonic() + SETTLING
    while True:
        broken = await problems(witness, url, fault)
        if not broken or time.monotonic() > end:
            return broken
        await asyncio.sleep(0.3)


async def problems(witness: Witness, url: str, fault: float | None = None) -> list[str]:
    """What is broken now, in words."""
    threads: dict[str, list[Seen]] = {}
    for seen in witness.seen:
        if seen.thread is not None and seen.thread not in witness.deleting:
            threads.setdefault(seen.thread, []).append(seen)
    listed = [thread["id"] for thread in await witness.threads(url)]
    broken = [f"thread {each} is listed twice" for each in set(listed) if listed.count(each) > 1]
    for gone in witness.deleted & set(listed):
        broken.append(f"thread {gone} was deleted and is listed")
    orders = {seen.order.name for seen in witness.seen}
    for thread in sorted(set(listed) - witness.deleting):
        items = await witness.items(url, thread)
        told = thread_problems(items, threads.pop(thread, []), fault, witness.elsewhere)
        strange = [
            name for item in items if (name := _name(item)) is not None and name not in orders
        ]
        broken += [f"{thread}: {line}" for line in told]
        broken += [f"{thread}: nobody asked {name}" for name in strange]
    for thread, lost in threads.items():
        if any(seen.done for seen in lost):
            broken.append(f"thread {thread} is not listed, and items of it were acknowledged")
    return broken


def thread_problems(
    items: list[JsonObject], seen: list[Seen], fault: float | None, elsewhere: set[str]
) -> list[str]:
    """What is broken in one thread; ``elsewhere`` are orders whose answers nobody can foretell."""
    broken = _unique(items)
    for each in seen:
        broken += _kept(items, each, seen, fault)
    retries = Counter(each.order.name for each in seen if each.retry)
    for question, answer in _answers(items):
        if _name(question) not in elsewhere:
            broken += _whole(question, answer, retries)
    return broken


def _unique(items: list[JsonObject]) -> list[str]:
    ids = [item["id"] for item in items]
    names = [name for item in items if (name := _name(item)) is not None]
    broken = [f"item {each} is there twice" for each in set(ids) if ids.count(each) > 1]
    return broken + [
        f"question {name} is there {names.count(name)} times"
        for name in set(names)
        if names.count(name) > 1
    ]


def _kept(
    items: list[JsonObject], seen: Seen, others: list[Seen], fault: float | None
) -> list[str]:
    """What one visitor saw, against what is there."""
    place = {item["id"]: number for number, item in enumerate(items)}
    replaced = any(
        other.retry and other.order.name == seen.order.name and other.asked_at > seen.asked_at
        for other in others
    )
    broken, last = [], -1
    for item in seen.done:
        if item["id"] in seen.removed or (replaced and item["type"] != "user_message"):
            continue
        if item["id"] not in place:
            broken.append(f"{item['type']} {item['id']} was acknowledged and is gone")
        elif items[place[item["id"]]] != item:
            broken.append(f"{item['id']} differs: {items[place[item['id']]]} instead of {item}")
        elif place[item["id"]] < last:
            broken.append(f"{item['id']} is out of order")
        last = max(last, place.get(item["id"], last))
    if replaced or seen.retry:
        return broken
    for item_id, text in _due(seen, fault).items():
        if item_id in seen.removed or not text:
            continue
        if item_id not in place:
            broken.append(f"{len(text)} characters of {item_id} were read, and it is gone")
        elif not (kept := _text(items[place[item_id]])).startswith(text):
            broken.append(f"{len(text)} characters of {item_id} were read, {len(kept)} are there")
    return broken


def _due(seen: Seen, fault: float | None) -> dict[str, str]:
    """The text of each item that must be there.

    Without a moment of the fault, how fast the answer came says how much it may have cost.
    """
    if seen.finished:
        return seen.text_by(float("inf"))
    if fault is not None:
        return seen.text_by(min(seen.over_at, fault) - JOURNAL)
    delay = seen.order.delay
    may_miss = JOURNAL / delay * len(seen.order.word(0, 0)) * 2 if delay else float("inf")
    read = seen.text_by(float("inf"))
    return {item: text[: int(max(0, len(text) - may_miss))] for item, text in read.items()}


def _answers(items: list[JsonObject]) -> list[tuple[JsonObject, list[JsonObject]]]:
    """Each question with what stands between it and the next."""
    answers: list[tuple[JsonObject, list[JsonObject]]] = []
    for item in items:
        if item["type"] == "user_message":
            answers.append((item, []))
        elif answers:
            answers[-1][1].append(item)
    return answers


def _whole(question: JsonObject, answer: list[JsonObject], retries: Counter[str]) -> list[str]:
    """An answer is complete, or says that it is not; so do all the attempts at it that failed."""
    order = Order.read(question)
    if order is None:
        return []
    attempts: list[list[tuple[str, str]]] = [[]]
    for item in answer:
        if "outcome" in item:
            attempts.append([])
        else:
            attempts[-1].append((item["type"], _text(item)))
    *broken_off, rest = attempts
    expected = order.answer()
    broken = []
    if len(broken_off) > 1 + retries[order.name]:
        broken.append(f"{order.name} has {len(broken_off)} marks")
    if broken_off and rest:
        broken.append(f"something follows the mark of {order.name}")
    if not broken_off and rest != expected:
        broken.append(f"{order.name} is incomplete and has no mark: {_shape(rest, expected)}")
    for said in broken_off:
        again = said[len(expected) :] if retries[order.name] else said
        if not _begins(said, expected) and not (
            said[: len(expected)] == expected and _begins(again, expected)
        ):
            broken.append(f"{order.name} is not its answer's beginning: {_shape(said, expected)}")
    return broken


def _begins(said: list[tuple[str, str]], expected: list[tuple[str, str]]) -> bool:
    if len(said) > len(expected):
        return False
    for number, ((kind, text), (due_kind, due)) in enumerate(zip(said, expected, strict=False)):
        if kind != due_kind or not due.startswith(text):
            return False
        if text != due and number < len(said) - 1:
            return False
    return True


def _shape(said: list[tuple[str, str]], expected: list[tuple[str, str]]) -> str:
    return (
        f"{[(kind, len(text)) for kind, text in said]} "
        f"of {[(kind, len(text)) for kind, text in expected]}"
    )


def _text(item: JsonObject) -> str:
    if item["type"] == "task":
        return str(item["task"].get("title"))
    return message_text(item)


def _name(item: JsonObject) -> str | None:
    order = Order.read(item) if item["type"] == "user_message" else None
    return order.name if order else None


async def next_turn(witness: Witness, url: str, thread: str) -> list[str]:
    """What is wrong with one more turn of a thread."""
    count = sum(seen.thread == thread for seen in witness.seen)
    seen = witness.expect(Order(f"next{count}-{thread[-6:]}", words=3, delay=0), thread)
    asking = asyncio.create_task(witness.put(url, seen))
    try:
        await seen.until(lambda seen: bool(seen.done), FREE_AGAIN)
    except TimeoutError:
        asking.cancel()
        return [f"{thread} is still locked {FREE_AGAIN:g} s after the fault"]
    await asking
    if not seen.finished:
        told = seen.errors or seen.marks or seen.refused or seen.broken
        return [f"the next turn of {thread} did not finish: {told}"]
    return []
