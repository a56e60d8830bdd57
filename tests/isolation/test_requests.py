"""Two owners and a newcomer ask for everything, with each other's ids; nothing comes of it.

A failure is printed as the requests that led to it. CI makes the same requests each time; at home
they differ from run to run, or come from ``--hypothesis-seed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from parlour.protocol import JsonObject
from tests.isolation.answering import KINDS
from tests.isolation.asking import FORMS, Form
from tests.isolation.world import Person, World, anonymous, never, world

EXAMPLES = settings(
    max_examples=8,
    stateful_step_count=40,
    deadline=None,
    database=None,
    # A real server does not get simpler by being asked a hundred times: the first failure is told.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SOURCES = ("another's", "another's", "own", "own", "nobody's")
ADA, EVE, NEWCOMER = range(3)


@pytest.fixture(params=["sqlite", "memory"], scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    home: Path = tmp_path_factory.mktemp(request.param)
    spec = f"sqlite:///{home / 'chat.db'}" if request.param == "sqlite" else "memory"
    with world(spec, home) as there:
        yield there


class Strangers(RuleBasedStateMachine):
    """An oracle that knows who owns what, and what each of them may see of it."""

    def __init__(self, place: World) -> None:
        super().__init__()
        self.world = place
        self.people = [Person("ada", place.url), Person("eve", place.url)]
        self.people.append(Person("newcomer", place.url, newcomer=True))

    def teardown(self) -> None:
        for person in self.people:
            for turn in person.owns.turn:
                person.http.post(f"/chatkit/turns/{turn}/stop")
            person.http.close()

    @rule(
        who=st.sampled_from([ADA, ADA, EVE, EVE, NEWCOMER]),
        form=st.sampled_from(FORMS),
        kind=st.sampled_from(KINDS),
        picks=st.lists(
            st.tuples(st.sampled_from(SOURCES), st.integers(0, 99)), min_size=3, max_size=3
        ),
    )
    def ask(self, who: int, form: Form, kind: str, picks: list[tuple[str, int]]) -> None:
        """One request; if it names something foreign, also the same request that names nothing."""
        person, others = self.people[who], [each for each in self.people if each.owner]
        others = [each for each in others if each is not self.people[who]]
        given, foreign = self._fill(person, form, picks)
        word = "text" if person.newcomer and kind == "wait" else kind
        text = f"{word} {person.mark}"
        note(f"{person.name}: {form.name} ({kind}) with {self._named(given)}")
        if foreign:
            ghost_ids = {name: never(name) for name in foreign}
            ghost = person.send(form.build(person.http, {**given, **ghost_ids}, text))
            self._learn(person, ghost)
        before = [self.world.dump(other) for other in others]
        mine = None if person.newcomer or not foreign else self.world.dump(person)
        response = person.send(form.build(person.http, given, text))
        assert response.status_code < 500, response.text
        assert [self.world.dump(other) for other in others] == before
        for other in others:
            self._shows_nothing_of(other, response, given)
        if foreign:
            real = anonymous(response, *(given[name] for name in foreign))
            assert real == anonymous(ghost, *ghost_ids.values()), self._named(given)
            if set(foreign) - {"key", "signature"}:
                assert 400 <= response.status_code < 500
                assert mine is None or self.world.dump(person) == mine
        self._learn(person, response, given)

    def _fill(
        self, person: Person, form: Form, picks: list[tuple[str, int]]
    ) -> tuple[dict[str, str], list[str]]:
        """Ids for the form, and the names of those that are somebody else's."""
        given, foreign = {}, []
        for name, (source, number) in zip(form.ids, picks, strict=False):
            own = getattr(person.owns, name)
            theirs = [
                each for p in self.people if p is not person for each in getattr(p.owns, name)
            ]
            theirs = [each for each in theirs if each not in own]
            # Who has the whole address of a file may open it: that is what a signature is for.
            if name == "signature" and "attachment" in foreign:
                theirs = []
            pool = {"own": own, "another's": theirs, "nobody's": []}[source]
            given[name] = pool[number % len(pool)] if pool else never(name)
            if pool is theirs and pool:
                foreign.append(name)
        if foreign == ["key"]:  # a file goes into one message, and the first of the two takes it
            given.pop("attachment", None)
        return given, foreign

    def _named(self, given: dict[str, str]) -> str:
        """The ids, by whose they are."""
        names = []
        for name, each in given.items():
            owners = [p.name for p in self.people if each in getattr(p.owns, name)]
            names.append(f"{'and '.join(owners) or 'nobody'}'s {name}")
        return ", ".join(names) or "no ids"

    def _shows_nothing_of(
        self, other: Person, response: httpx.Response, given: dict[str, str]
    ) -> None:
        shown = f"{response.headers} {response.text}"
        assert other.mark not in shown
        assert other.owner not in shown
        for owned in (other.owns.thread, other.owns.item, other.owns.attachment, other.owns.turn):
            assert [each for each in owned if each in shown and each not in given.values()] == []

    def _learn(
        self, person: Person, response: httpx.Response, given: dict[str, str] | None = None
    ) -> None:
        """Notes what is this person's from now on; an id that is deleted stays known."""
        if person.newcomer:
            return
        owns = person.owns
        if "parlour-turn" in response.headers:
            remember(owns.turn, response.headers["parlour-turn"])
            if given and "key" in given:
                remember(owns.key, given["key"])
        for made in re.findall(r'"id":"(atc_[0-9a-f]{32})"', response.text):
            remember(owns.attachment, made)
        for signature in re.findall(r"sig=([\w.-]+)", response.text):
            remember(owns.signature, signature)
        now: JsonObject = self.world.dump(person)
        for thread in now["threads"]:
            remember(owns.thread, thread.id)
        for item in now["items"]:
            remember(owns.item, item.id)


def remember(known: list[str], one: str) -> None:
    if one not in known:
        known.append(one)


def test_nothing_of_anothers_can_be_read_changed_or_told_from_nothing(place: World) -> None:
    # 31, 36, 37, 192
    run_state_machine_as_test(lambda: Strangers(place), settings=EXAMPLES)  # type: ignore[arg-type]
