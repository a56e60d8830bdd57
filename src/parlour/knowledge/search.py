"""Search: BM25 finds candidates, then how much of the question a passage covers decides."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote, urlsplit

from parlour.knowledge.base import Hit, Passage
from parlour.knowledge.index import load_blocks
from parlour.knowledge.query import Term

# The best are picked by number alone: reading the words of every match would cost the most.
_CANDIDATES: Final = """
SELECT found.id, words.title, words.headings || ' ' || words.path, words.body, found.rank, files.page
FROM (SELECT rowid AS id, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT 60) AS found
JOIN words ON words.rowid = found.id
JOIN passages ON passages.id = found.id
JOIN files ON files.name = passages.file
ORDER BY found.rank
"""
_SYNONYM: Final = 0.75
_SHORTEST_CORRECTED: Final = 5


@dataclass(frozen=True, slots=True)
class Weighed:
    """A term and what it weighs in this body of pages; ``known`` is False when no page has it."""

    term: Term
    weight: float
    known: bool

    def found_in(self, stems: frozenset[str]) -> float:
        """1 for the word itself, less for another word for it, 0 when neither is there."""
        if self.term.stem in stems:
            return 1.0
        return _SYNONYM if not stems.isdisjoint(self.term.alternatives) else 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """The best hits, best first, and the terms they were judged by.

    ``follows_up`` says that the question leans on the one before it.
    """

    hits: list[Hit]
    terms: tuple[Weighed, ...]
    follows_up: bool = False

    def coverage(self, stems: frozenset[str]) -> float:
        """How much of what was asked these stems speak of, from 0 to 1."""
        return coverage(self.terms, stems)


def coverage(terms: Sequence[Weighed], stems: frozenset[str]) -> float:
    """The found share of the terms' weight."""
    total = sum(one.weight for one in terms)
    return sum(one.weight * one.found_in(stems) for one in terms) / total if total else 0.0


class Searcher:
    """Answers queries from one open index; not for two threads at once."""

    def __init__(self, connection: sqlite3.Connection, base_url: str) -> None:
        self._connection = connection
        self._base_url = base_url.rstrip("/")
        (self._passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()

    def search(self, terms: Sequence[Term], *, limit: int, page: str | None) -> Findings:
        """The passages that say most about the terms; those of ``page`` are preferred a little."""
        weighed = tuple(self._weigh(term) for term in terms)
        here = self.page_of(page) if page else None
        if not weighed:
            hits = self._opening(here, limit) if here else []
            return Findings(hits, weighed)
        asked = [one.term for one in weighed]
        stems = {alternative for term in asked for alternative in (term.stem, *term.alternatives)}
        match = " OR ".join(f'"{stem}"' for stem in sorted(stems))
        rows = self._connection.execute(_CANDIDATES, (match,)).fetchall()
        if not rows:
            return Findings([], weighed)
        best = rows[0][4]
        judged = []
        for rowid, title, headings, body, rank, its_page in rows:
            score, share = _judge(weighed, title, headings, body, rank / best)
            judged.append((score * (1.15 if its_page == here else 1.0), share, rowid))
        judged.sort(key=lambda one: (-one[0], one[2]))
        hits = [Hit(self._load(rowid), score, share) for score, share, rowid in judged[:limit]]
        return Findings(hits, weighed)

    def page_of(self, address: str) -> str | None:
        """The page an address or path means, if it is one of ours."""
        path = unquote(urlsplit(address).path)
        prefix = unquote(urlsplit(self._base_url).path)
        path = path.removeprefix(prefix) or "/"
        bare = path.removesuffix(".html").rstrip("/")
        for candidate in (path, bare, f"{bare}/"):
            found = self._connection.execute(
                "SELECT page FROM files WHERE page = ?", (candidate,)
            ).fetchone()
            if found:
                return str(found[0])
        return None

    def pages(self) -> list[tuple[str, str]]:
        """Title and address of every page, in the order of their files."""
        rows = self._connection.execute(
            "SELECT title, page FROM files WHERE problem = '' ORDER BY name"
        )
        return [(title, self._url(page, "")) for title, page in rows]

    def _opening(self, page: str, limit: int) -> list[Hit]:
        rows = self._connection.execute(
            "SELECT passages.id FROM passages JOIN files ON files.name = passages.file "
            "WHERE files.page = ? ORDER BY passages.id LIMIT ?",
            (page, limit),
        ).fetchall()
        return [
            Hit(self._load(rowid), 1.0 - place / 100, 1.0) for place, (rowid,) in enumerate(rows)
        ]

    def _load(self, rowid: int) -> Passage:
        row = self._connection.execute(
            "SELECT files.page, anchor, headings, blocks FROM passages "
            "JOIN files ON files.name = passages.file WHERE id = ?",
            (rowid,),
        ).fetchone()
        page, anchor, headings_json, blocks_json = row
        headings = tuple(json.loads(headings_json))
        blocks = load_blocks(blocks_json)
        text = "\n\n".join(block.plain() for block in blocks)
        return Passage(rowid, page, self._url(page, anchor), headings[0], headings, text, blocks)

    def _url(self, page: str, anchor: str) -> str:
        fragment = f"#{percent_encoded(anchor)}" if anchor else ""
        return f"{self._base_url}{percent_encoded(page)}{fragment}"

    def _weigh(self, term: Term) -> Weighed:
        term = replace(term, alternatives=(*term.alternatives, *self._heads(term.stem)))
        counts = self._counts((term.stem, *term.alternatives))
        if not counts:
            near = self._near(term.stem)
            term = replace(term, alternatives=(*term.alternatives, *near))
            counts = self._counts(near)
        frequency = counts.get(term.stem) or max(counts.values(), default=0)
        rarity = math.log(1 + (self._passages - frequency + 0.5) / (frequency + 0.5))
        return Weighed(term, max(0.1, rarity) * term.weight, bool(counts))

    def _heads(self, stem: str) -> tuple[str, ...]:
        """The last part of a compound, which names the same thing more broadly: backpack, pack."""
        cuts = [cut for cut in range(3, len(stem) - 3) if stem.isalpha()]
        if not cuts:
            return ()
        known = self._counts([part for cut in cuts for part in (stem[:cut], stem[cut:])])
        return tuple(stem[cut:] for cut in cuts if stem[:cut] in known and stem[cut:] in known)

    def _counts(self, stems: Sequence[str]) -> dict[str, int]:
        marks = ", ".join("?" * len(stems))
        rows = self._connection.execute(
            f"SELECT term, doc FROM vocabulary WHERE term IN ({marks})", tuple(stems)
        )
        return dict(rows.fetchall())

    def _near(self, stem: str) -> tuple[str, ...]:
        """Words of the pages that this one may be a slip or a short form of."""
        if len(stem) < _SHORTEST_CORRECTED - 1 or not stem.isalpha():
            return ()
        rows = self._connection.execute(
            "SELECT term FROM vocabulary WHERE term >= ? AND term < ? ORDER BY doc DESC",
            (stem[0], chr(ord(stem[0]) + 1)),
        )
        candidates = [str(term) for (term,) in rows]
        longer = [one for one in candidates if one.startswith(stem)]
        if len(stem) >= _SHORTEST_CORRECTED:
            longer += [one for one in candidates if one not in longer and one_slip(stem, one)]
        return tuple(longer[:3])


def one_slip(word: str, other: str) -> bool:
    """Whether one letter added, left out, changed, or two swapped make one word the other."""
    if abs(len(word) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(word), len(other)) and word[start] == other[start]:
        start += 1
    rest, others = word[start:], other[start:]
    return (
        rest[1:] == others[1:]
        or rest == others[1:]
        or rest[1:] == others
        or (len(rest) > 1 and rest[:2] == others[1::-1] and rest[2:] == others[2:])
    )


def _judge(
    terms: Sequence[Weighed], title: str, headings: str, body: str, rank: float
) -> tuple[float, float]:
    """A passage's score and coverage, from its stems and its BM25 rank relative to the best."""
    titles = frozenset(title.split())
    leading = frozenset(headings.split())
    sequence = body.split()
    inside = frozenset(sequence)
    share = coverage(terms, inside | leading | titles)
    named = coverage(terms, leading) + 0.5 * coverage(terms, titles)
    close = _closeness(terms, sequence)
    return 0.8 * rank + 1.4 * share + 0.5 * named + 0.5 * close, share


def _closeness(terms: Sequence[Weighed], sequence: Sequence[str]) -> float:
    """The largest coverage within a window of about two sentences."""
    width = 14
    roles: dict[str, list[tuple[int, float]]] = {}
    for number, one in enumerate(terms):
        roles.setdefault(one.term.stem, []).append((number, one.weight))
        for alternative in one.term.alternatives:
            roles.setdefault(alternative, []).append((number, one.weight * _SYNONYM))
    places = [(place, roles[stem]) for place, stem in enumerate(sequence) if stem in roles]
    best, start = 0.0, 0
    for end, (place, _) in enumerate(places):
        while place - places[start][0] > width:
            start += 1
        seen: dict[int, float] = {}
        for _, role in places[start : end + 1]:
            for number, weight in role:
                seen[number] = max(seen.get(number, 0.0), weight)
        best = max(best, sum(seen.values()))
    total = sum(one.weight for one in terms)
    return best / total if total else 0.0
