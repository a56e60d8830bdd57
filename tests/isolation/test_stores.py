"""To each owner a store behaves as if nobody else were there: that is all there is to isolation.

Two owners use one store, with ids that are often each other's. What each of them is told has to be,
word for word, what a store of their own would have told them; an id that somebody else was faster
to take is refused like one that is missing.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import signature
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from parlour.errors import ParlourError
from parlour.protocol import JsonObject
from parlour.stores import STORES
from parlour.stores.base import Outcome, Store, Thread, TurnRecord
from parlour.stores.memory import MemoryStore

EXAMPLES = settings(
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAMES = ("1", "2")
_numbers = count()

name = st.sampled_from(NAMES)
maybe = st.none() | name
Do = Callable[[Store, str], Awaitable[object]]


def message(key: str, text: str, *, hidden: bool = False) -> JsonObject:
    kind = "hidden_context_item" if hidden else "assistant_message"
    return {"id": key, "type": kind, "content": [{"type": "output_text", "text": text}]}


async def called(do: partial[Any], store: Store, owner: str) -> object:
    """A method of the store's own class, called with these arguments."""
    method = getattr(store, do.func.__name__)
    return await method(owner, **do.keywords)


class Neighbours(RuleBasedStateMachine):
    """One store for two owners, and beside it a store for each of them alone."""

    def __init__(self, store: Store, runner: asyncio.Runner) -> None:
        super().__init__()
        self.shared, self.runner = store, runner
        self.place = next(_numbers)
        self.alone: dict[str, Store] = {self._owner(who): MemoryStore() for who in (0, 1)}
        self.taken: dict[str, str] = {}
        """Whose an id is that can be had once only."""
        self.graves: dict[str, str] = {}
        """Whose a deleted thread was: its id may stay with its owner, and nobody else gets it."""

    def _owner(self, who: int) -> str:
        return f"guest:{self.place}:{'ab'[who]}"

    def _id(self, kind: str, name: str) -> str:
        return f"{kind}_{self.place}_{name}"

    def told(self, store: Store, owner: str, do: Do) -> str:
        """What a store says, or how it refuses."""

        async def ask() -> object:
            return await do(store, owner)

        try:
            return repr(self.runner.run(ask()))
        except ParlourError as refused:
            return f"{type(refused).__name__}: {refused.message}"

    def same(self, who: int, do: Do, *, takes: str | None = None) -> str:
        """The outcome of the call, which is the same in both; ``takes`` is the id that it makes."""
        owner = self._owner(who)
        heard = self.told(self.shared, owner, do)
        if takes is not None and self.taken.setdefault(takes, owner) != owner:
            assert "NotFound: There is no " in heard, heard
            return heard
        assert heard == self.told(self.alone[owner], owner, do)
        return heard

    who = st.integers(0, 1)

    def all_of(self, who: int) -> None:
        """Everything that there is to read, under every name, has the same outcome."""
        self.same(who, lambda store, owner: store.list_threads(owner, limit=9))
        self.same(who, lambda store, owner: store.count_untaken(owner))
        self.same(who, self._running)
        for each in NAMES:
            thread, file = self._id("thr", each), self._id("atc", each)
            for do in (
                partial(Store.load_thread, thread_id=thread),
                partial(Store.list_items, thread_id=thread, limit=9, hidden=True),
                partial(Store.load_item, thread_id=thread, item_id=each),
                partial(Store.load_attachment, attachment_id=file),
                partial(Store.find_turn, key=each),
            ):
                self.same(who, partial(called, do))

    async def _running(self, store: Store, owner: str) -> list[TurnRecord]:
        mine = [turn for turn in await store.running_turns() if turn.owner == owner]
        return sorted(mine, key=lambda turn: turn.id)

    @rule(who=who)
    def read(self, who: int) -> None:
        self.all_of(who)

    def teardown(self) -> None:
        for who in (0, 1):
            self.all_of(who)

    # -- threads ---------------------------------------------------------------------------------

    @rule(who=who, name=name, minute=st.integers(0, 2))
    def add_thread(self, who: int, name: str, minute: int) -> None:
        key = self._id("thr", name)
        if self.graves.get(key, self._owner(who)) != self._owner(who):
            return
        thread = Thread(key, NOON + timedelta(minutes=minute), metadata={"of": who})
        self.same(who, lambda store, owner: store.add_thread(owner, thread), takes=key)

    @rule(who=who, name=name, title=st.sampled_from("xy"))
    def update_thread(self, who: int, name: str, title: str) -> None:
        key, changes = self._id("thr", name), {"title": f"{title} by {who}"}
        self.same(who, lambda store, owner: store.update_thread(owner, key, changes))

    @rule(who=who, after=maybe, limit=st.integers(1, 3), order=st.sampled_from(["asc", "desc"]))
    def list_threads(self, who: int, after: str | None, limit: int, order: Any) -> None:  # noqa: ANN401
        cursor = after and self._id("thr", after)
        self.same(
            who,
            lambda store, owner: store.list_threads(owner, limit=limit, after=cursor, order=order),
        )

    @rule(who=who, name=name, idle=st.booleans(), lucky=st.booleans())
    def delete_thread(self, who: int, name: str, idle: bool, lucky: bool) -> None:
        key = self._id("thr", name)
        since = NOON + timedelta(days=99999 if lucky else -1) if idle else None

        async def delete(store: Store, owner: str) -> list[str]:
            return sorted(await store.delete_thread(owner, key, idle_since=since))

        owner = self._owner(who)
        heard = self.same(who, delete)
        # What went with the thread can be had again, by anybody.
        if heard.startswith("["):
            self.graves[key] = owner
            gone = [key, *(self._id("trn", f"{each}_{name}") for each in NAMES)]
            for file in (self._id("atc", each) for each in NAMES):
                load = partial(called, partial(Store.load_attachment, attachment_id=file))
                if "NotFound" in self.told(self.alone[owner], owner, load):
                    gone.append(file)
            for each in gone:
                if self.taken.get(each) == owner:
                    del self.taken[each]

    # -- items -----------------------------------------------------------------------------------

    @rule(who=who, name=name, item=name, hidden=st.booleans(), anew=st.booleans())
    def write_item(self, who: int, name: str, item: str, hidden: bool, anew: bool) -> None:
        key, made = self._id("thr", name), message(item, f"by {who}", hidden=hidden)
        if anew:
            self.same(who, lambda store, owner: store.add_item(owner, key, made))
        else:
            self.same(who, lambda store, owner: store.save_item(owner, key, made))

    @rule(
        who=who,
        name=name,
        after=maybe,
        limit=st.integers(1, 3),
        order=st.sampled_from(["asc", "desc"]),
        hidden=st.booleans(),
    )
    def list_items(
        self,
        who: int,
        name: str,
        after: str | None,
        limit: int,
        order: Any,  # noqa: ANN401
        hidden: bool,
    ) -> None:
        key = self._id("thr", name)
        self.same(
            who,
            lambda store, owner: store.list_items(
                owner, key, limit=limit, after=after, order=order, hidden=hidden
            ),
        )

    @rule(who=who, name=name, item=name)
    def delete_item(self, who: int, name: str, item: str) -> None:
        key = self._id("thr", name)
        self.same(who, lambda store, owner: store.delete_item(owner, key, item))

    @rule(who=who, name=name, items=st.lists(name, max_size=2), kind=st.sampled_from("+-"))
    def save_feedback(self, who: int, name: str, items: list[str], kind: str) -> None:
        key = self._id("thr", name)
        self.same(who, lambda store, owner: store.save_feedback(owner, key, items, kind))

    # -- attachments -----------------------------------------------------------------------------

    def _record(self, key: str, whose: int, thread: str | None) -> JsonObject:
        record: JsonObject = {"id": key, "name": f"of {whose}"}
        if thread is not None:
            record["thread_id"] = self._id("thr", thread)
        return record

    @rule(who=who, name=name, thread=maybe)
    def save_attachment(self, who: int, name: str, thread: str | None) -> None:
        key = self._id("atc", name)
        record = self._record(key, who, thread)
        self.same(who, lambda store, owner: store.save_attachment(owner, record), takes=key)

    @rule(who=who, name=name, whose=who, before=maybe, after=maybe)
    def replace_attachment(
        self, who: int, name: str, whose: int, before: str | None, after: str | None
    ) -> None:
        key = self._id("atc", name)
        old = self._record(key, whose, before)
        new = self._record(key, who, after)
        self.same(who, lambda store, owner: store.replace_attachment(owner, old, new))

    @rule(who=who, name=name)
    def delete_attachment(self, who: int, name: str) -> None:
        key = self._id("atc", name)
        self.same(who, lambda store, owner: store.delete_attachment(owner, key))
        if self.taken.get(key) == self._owner(who):
            del self.taken[key]

    # -- turns -----------------------------------------------------------------------------------

    @rule(who=who, name=name, thread=name, key=maybe)
    def begin_turn(self, who: int, name: str, thread: str, key: str | None) -> None:
        made, on, owner = (
            self._id("trn", f"{name}_{thread}"),
            self._id("thr", thread),
            self._owner(who),
        )
        turn = TurnRecord(made, owner, on, "server", NOON, key)
        if self.taken.get(made, owner) == owner:
            self.same(who, lambda store, _: store.begin_turn(turn))
            if f"id='{made}'" in self.told(
                self.alone[owner], owner, lambda s, _: s.begin_turn(turn)
            ):
                self.taken[made] = owner
            return
        heard = self.told(self.shared, owner, lambda s, _: s.begin_turn(turn))
        earlier = self.told(self.alone[owner], owner, lambda s, o: s.find_turn(o, key or "never"))
        assert heard == (
            f"TurnNotFound: There is no turn {made}." if earlier == "None" else earlier
        )

    @rule(who=who, name=name, thread=name, text=st.sampled_from("xy"))
    def journal(self, who: int, name: str, thread: str, text: str) -> None:
        key, pending = self._id("trn", f"{name}_{thread}"), [message("p", f"{text} by {who}")]
        self.same(who, lambda store, owner: store.journal(owner, key, pending))

    @rule(who=who, name=name, thread=name, item=name)
    def retire_after(self, who: int, name: str, thread: str, item: str) -> None:
        key, on = self._id("trn", f"{name}_{thread}"), self._id("thr", thread)
        self.same(who, lambda store, owner: store.retire_after(owner, on, item, key))

    @rule(
        who=who,
        name=name,
        thread=name,
        outcome=st.sampled_from(["finished", "stopped", "failed", "interrupted"]),
        items=st.lists(name, max_size=2),
    )
    def end_turn(
        self, who: int, name: str, thread: str, outcome: Outcome, items: list[str]
    ) -> None:
        key = self._id("trn", f"{name}_{thread}")
        ended = [message(item, f"ended by {who}") for item in items]
        self.same(who, lambda store, owner: store.end_turn(owner, key, outcome, ended))


def behave(spec: str, lives: int = 8) -> None:
    """Lets two owners live together in the store of this spec, some times from birth to death."""
    with asyncio.Runner() as runner:
        store = STORES.load(spec).from_spec(spec)
        runner.run(store.open())
        try:
            machine: Any = lambda: Neighbours(store, runner)  # noqa: E731
            run_state_machine_as_test(machine, settings=settings(EXAMPLES, max_examples=lives))
        finally:
            runner.run(store.close())


def test_to_each_owner_a_database_is_as_if_nobody_else_were_there(database: str) -> None:
    behave(database, lives=25 if database.startswith("sqlite") else 8)


def test_to_each_owner_the_memory_is_as_if_nobody_else_were_there() -> None:
    behave("memory", lives=40)


def test_every_method_that_takes_an_owner_is_among_the_neighbours_calls() -> None:
    calls = set(re.findall(r"\b(?:s|store|Store)\.(\w+)\b", inspect.getsource(Neighbours)))
    scoped = {
        name
        for name, method in vars(Store).items()
        if callable(method) and {"owner", "turn"} & signature(method).parameters.keys()
    }
    assert len(scoped) > 15
    assert scoped - calls == set()
