"""Words as the index, the search and the quoting all see them: folded, stemmed, without stop words."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final, Protocol, cast

_WORD: Final = re.compile(r"[^\W_]+(?:['’](?:s|t|re|ve|ll|d|m)\b)?")
_CONTRACTION: Final = re.compile(r"['’].*")
_UNIT: Final = re.compile(r"(?<=\d)(?=(?:am|pm|mm|cm|km|kg|mg|ml|ms|kb|mb|gb|tb|px|hrs?|mins?)\b)")
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")

_STOP: Final = """
arent cant couldnt didnt doesnt dont hasnt havent hows id im isnt ive lets shouldnt thats theres
wasnt werent whats whens wheres whos wont wouldnt youre
a about after against all also am an and any are aren as at be because been before being both but by can
cannot could couldn did didn do does doesn doing don during each either else ever for from get
gets getting give given go going gonna got had hadn has hasn have haven having he her here hers
him his how i if in into is isn it its just kindly know let like ll make makes many may me might
mine more most much must my need neither no nor not of off on one only or other our ours out
over please quite re really s say says shall she should shouldn so some somebody someone
something still such t take takes tell than thank thanks that the their theirs them then there
these they thing things this those though through to too under until up us use used uses using
ve very want was wasn we were weren what whatever when where whether which while who whom whose
why will with within without won would wouldn yes yet you your yours
"""
# The plain form, then what people write of it that no rule of spelling leads back.
_FORMS: Final = """
begin began begun, break broke broken, build built, buy bought, child children, choose chose chosen,
drive drove driven, fly flew flown, foot feet, forget forgot forgotten, founder founded, freeze froze frozen,
hide hid hidden, hold held, keep kept, know knew known, leave left, lend lent, lose lost, man men,
meet met, pay paid, person people, run ran, sell sold, send sent, show shown, sit sat, sleep slept,
spend spent, steal stole stolen, stick stuck, sweep swept, take took taken, teach taught, tear torn,
tell told, throw threw thrown, wear wore worn, win won, woman women, write wrote written
"""


@cache
def _irregular() -> dict[str, str]:
    groups = (group.split() for group in _FORMS.split(","))
    return {form: plain for plain, *forms in groups for form in forms}


STOP_WORDS: Final = frozenset(_STOP.split())
"""Words that say nothing about what is asked, question words included."""


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


@cache
def _stemmer() -> _Stemmer:
    import snowballstemmer  # type: ignore[import-untyped]

    return cast(_Stemmer, snowballstemmer.stemmer("porter"))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of a folded word; numbers and other scripts stay as they are."""
    word = _irregular().get(word, word)
    return _stemmer().stemWord(word) if word.isascii() and len(word) > 2 else word


def fold(text: str) -> str:
    """Lower case without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(char for char in decomposed if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", kept)


def words(text: str) -> list[str]:
    """Folded words in order; scripts written without spaces give overlapping pairs."""
    found: list[str] = []
    for match in _WORD.finditer(_UNIT.sub(" ", fold(text))):
        word = _CONTRACTION.sub("", match.group())
        runs = _CJK.findall(word)
        if not runs:
            found.append(word)
            continue
        found.extend(rest for rest in _CJK.split(word) if rest)
        for run in runs:
            found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
    return found


def stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]
