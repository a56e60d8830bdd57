"""What is asked, as weighed terms: other words for the same thing, and what a follow-up leaves out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from parlour.knowledge.words import STOP_WORDS, fold, stem, words

BORROWED: Final = 0.45
QUOTED: Final = 0.35
TIME: Final = 0.35

_CHATTER_TEXT: Final = """
often
able again answer anyway ask asking bit currently curious describe details detail exactly
explain find folks good guys happen happens hello help hey hi info information interested knows
learn looking mean means mention meaning ok okay part possible question questions quick right
saying section see show sort sure talk think understand want wanted wants way ways wonder
wondering page site website docs documentation today day guy sir madam there
"""
_CHATTER: Final = frozenset(_CHATTER_TEXT.split())

_PHRASES: Final = (
    (re.compile(r"\b(?:send|sending|sent|bring|give)(?: \w+){0,2} back\b"), " return "),
    (re.compile(r"\bmoney back\b"), " refund money "),
    (re.compile(r"\b(?:sign|log)(?:ing|ging)? ?-?in\b"), " login "),
    (re.compile(r"\bset(?:ting)? ?-?up\b"), " setup "),
    (
        re.compile(
            r"\bhow expensive\b|\bhow much (?=(?:is|are|was|do|does|did|will|would|should|it|to|for"
            r"|extra|more)\b)|\bhow much\W*$"
        ),
        " cost ",
    ),
    (re.compile(r"\b(?:2fa|two[- ]factor|2[- ]step|two[- ]step|mfa)\b"), " two-step "),
    (re.compile(r"\bget rid of\b"), " remove "),
    (re.compile(r"\bget in touch\b|\breach (?:you|someone|support)\b"), " contact "),
    (re.compile(r"\bhow (?:long|soon|quickly|often|many (?:days|hours|weeks|times))\b"), " "),
    (re.compile(r"\b(?:tele)?phone number\b"), " phone "),
    (re.compile(r"\bwashing machine\b"), " machine wash "),
)

# Words every site's questions are full of: they count, but less than the thing asked about.
_WEAK_TEXT: Final = """
able allow apply available avoid become best better bring buy called choose come company contain
different early example experience first five four fit friend good great happen help include
including item items keep kind list long look made make mine name near new next
number offer often once order own part people person place point policy possible product
products provide put receive recommend rule same second sell service several since start support
supported tell thing three time too turn twice two type view work works 
""".strip()
_WEAK: Final = 0.45

# Words that mean the same to a visitor, one group a line; "a > b c" holds in one direction only.
_SAME: Final = """
cost price fee charge rate pricing
ship deliver delivery shipping shipment dispatch
refund > money return
broken damaged faulty defective defect damage fault break
buy purchase order
delete remove erase
uninstall > remove
close > delete cancel
install setup installation
configure setting configuration option
change edit modify update
error problem issue fail failure
contact > email phone call support
phone telephone call
login > authenticate authentication signin sign
authenticate authentication authorization authorize bearer auth
guarantee warranty
start launch run begin
stop cancel abort
size fit measure measurement
countries country international abroad worldwide overseas
exchange swap
replacement spare
need require requirement prerequisite
clean wash care wipe
key token secret
limit maximum quota
fast quick speed performance
fastest > express
pay payment card
discount coupon voucher
promo > discount code
parcel package
apply application
verify check validate confirm
heavy weigh weight weighs load
big large size capacity length long
long length
cors > origin
sso > login
store shop
store storage
temperature degree
opening > open
closing > closed close
kid child children
photo picture image photograph
lost > missing arrive
missing > arrive
luggage baggage carry
sale > clearance reduced
tax customs duty duties
avoid prevent
twice double duplicate
donate donation charity
present gift
unsubscribe > newsletter
manual guide instructions documentation
screenshot > picture image
supported compatible
logo icon
crash > error fail
slow > performance speed
server backend
hide > disable remove
disable off
enable on activate
upgrade update
license licence
color colour
dark theme
mobile phone
developer partner
job career position vacancy
press media journalist
""".strip().splitlines()

# A question about time is also one for the units in which its answer is given.
_ASKS_TIME: Final = re.compile(
    r"\bhow (?:long|soon|quickly|often|many (?:days|hours|weeks|times))\b|^\s*when\b"
)
_TIME_UNITS: Final = ("day", "minute", "hour", "week", "month", "year", "second", "daily", "weekly")

_PRONOUN: Final = re.compile(
    r"(?:^|\b(?:do|does|did|is|was|for|of|after|beyond|about|with|like|on|in|at|to|by|than|and|what) )that\b"
    r"|\b(?:it|its|this|they|them|their|those|these|one|ones|there|he|she|same|instead)\b"
)
_CONTINUES: Final = re.compile(
    r"^\s*(?:and|or|but|so|then|what about|how about|what if|also|why|really|else|ok|okay|in that case)\b"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One thing asked for: a stem, the stems that would do as well, and how much it counts.

    ``own`` is False for what was borrowed from an earlier question or from selected text.
    """

    stem: str
    alternatives: tuple[str, ...] = ()
    weight: float = 1.0
    own: bool = True


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in _SAME:
        left, one_way, _ = line.partition(" > ")
        group = [stem(word) for word in line.replace(" > ", " ").split()]
        for one in [stem(left)] if one_way else group:
            found.setdefault(one, {}).update((other, None) for other in group if other != one)
    return {one: tuple(others) for one, others in found.items()}


@cache
def _weak() -> frozenset[str]:
    return frozenset(stem(word) for word in _WEAK_TEXT.split())


def terms_of(text: str) -> list[Term]:
    """The meaningful words of a question, each once, with other words for the same thing."""
    folded = fold(text)
    for pattern, meaning in _PHRASES:
        folded = pattern.sub(meaning, folded)
    meaningful = [
        stem(word) for word in words(folded) if word not in STOP_WORDS and word not in _CHATTER
    ]
    return [
        Term(one, _synonyms().get(one, ()), _WEAK if one in _weak() else 1.0)
        for one in dict.fromkeys(meaningful)
    ]


def is_follow_up(text: str) -> bool:
    """Whether a question leans on the one before it: a pronoun, "and …", or hardly a word."""
    folded = fold(text)
    count = len(terms_of(text))
    if count <= 1:
        return True
    return count <= 4 and bool(_PRONOUN.search(folded) or _CONTINUES.match(folded))


def asks_time(text: str) -> bool:
    """Whether the answer is a length or a point of time."""
    return bool(_ASKS_TIME.search(fold(text)))


def build_query(text: str, context: Sequence[str] = (), quote: str | None = None) -> list[Term]:
    """All terms to search for: the question's own, then borrowed ones at a lower weight.

    ``context`` holds the visitor's earlier questions, oldest first; ``quote`` is text they selected.
    """
    own = terms_of(text)
    found = {term.stem: term for term in own}
    borrowed: list[tuple[str, float]] = []
    if quote:
        borrowed.append((quote, 1.0 if not own else QUOTED))
    if is_follow_up(text):
        # A chain of follow-ups ("and to Canada?", "and express?") leads back to what began it.
        for depth, earlier in enumerate(reversed(context)):
            borrowed.append((earlier, BORROWED / (depth + 1)))
            if depth == 2 or not is_follow_up(earlier):
                break
    for source, weight in borrowed:
        for term in terms_of(source)[:24]:
            found.setdefault(term.stem, replace(term, weight=weight * term.weight, own=not own))
    if own and asks_time(text):
        first, *others = (stem(unit) for unit in _TIME_UNITS)
        found.setdefault(first, Term(first, tuple(others), TIME, own=False))
    return list(found.values())
