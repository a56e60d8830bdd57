"""Citation marks in streamed Markdown: ``[1]``, ``[1, 2]`` and ``【1】`` become numbers."""

from __future__ import annotations

import re
from typing import Final

# Where something may begin: a mark with the spaces before it, code, a new line, an escape, and
# spaces at the very end, of which nobody knows yet what follows them.
_EVENT: Final = re.compile(r"[ \t]*[\[【]|`+|~+|\n|\\|[ \t]+\Z")
_MARK: Final = re.compile(
    r"\[\s?\d{1,3}(?:\s?[,;]\s?\d{1,3}){0,8}\s?\]"
    r"|\[\[\d{1,3}\]\]"
    r"|【\s?\d{1,3}[^】\n]{0,40}】"
)
_UNFINISHED: Final = re.compile(r"\[\[?[\d\s,;]{0,48}\]?\Z|【[^】\n]{0,44}\Z")
_BETWEEN: Final = re.compile(r"[,;]?[ \t]{0,4}(?=[\[【]|\Z)")
_NUMBERS: Final = re.compile(r"\d{1,3}")
# What may stand before a fence on its line: quotes, list markers, indentation.
_FENCE_PREFIX: Final = re.compile(r"(?:[\s>]|[-*+]\s|\d{1,3}[.)]\s)*\Z")
_LINE_MEMORY: Final = 40


class MarkScanner:
    """Takes citation marks out of text that arrives in pieces.

    ``feed`` and ``end`` give the text without its marks, as strings, and the number of each mark,
    as an int, where it stood. Brackets in code, links, reference definitions and escaped brackets
    stay as they are; the space before a mark goes with it. Never holds more than a few dozen
    characters back.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._pieces: list[str | int] = []
        self._fence = ""
        self._opening = False
        self._ticks = 0
        self._line = ""
        self._after_mark = False
        self._gap = False

    def feed(self, text: str) -> list[str | int]:
        """What is certain so far."""
        self._rest += text
        return self._scan(final=False)

    def end(self) -> list[str | int]:
        """What was held back."""
        return self._scan(final=True)

    def _scan(self, final: bool) -> list[str | int]:
        while self._rest and self._step(final):
            pass
        pieces, self._pieces = self._pieces, []
        return pieces

    def _step(self, final: bool) -> bool:
        """Settles the next part of what is left; False when more text is needed for that."""
        if self._after_mark:
            return self._follow(final)
        found = _EVENT.search(self._rest)
        if found is None:
            self._emit(len(self._rest))
            return True
        if found.start():
            self._emit(found.start())
            return True
        token = found.group()
        at_end = found.end() == len(self._rest) and not final
        if token[-1] in "`~":
            return not at_end and self._code(token)
        if token == "\n":
            self._newline()
            return True
        if token == "\\":
            return not at_end and self._backslash()
        if token[-1] in "[【":
            return self._bracket(token, final)
        return not (at_end and len(token) <= _LINE_MEMORY) and self._emit(len(token))

    def _emit(self, count: int) -> bool:
        """Gives on the next characters as they are."""
        text, self._rest = self._rest[:count], self._rest[count:]
        if self._pieces and isinstance(self._pieces[-1], str):
            self._pieces[-1] += text
        else:
            self._pieces.append(text)
        self._line = (self._line + text)[-_LINE_MEMORY:]
        return True

    def _newline(self) -> None:
        if not self._line.strip():
            self._ticks = 0  # A paragraph has ended; code in a line never goes beyond it.
        self._emit(1)
        self._line = ""
        self._opening = False

    def _backslash(self) -> bool:
        escapes = not self._fence and not self._ticks and self._rest[1:2] != "\n"
        return self._emit(2 if escapes else 1)

    def _code(self, run: str) -> bool:
        """A run of backticks or tildes: a fence, the end of one, code in a line, or just text."""
        starts_line = _FENCE_PREFIX.match(self._line) is not None
        if self._fence:
            closes = starts_line and run[0] == self._fence[0] and len(run) >= len(self._fence)
            after = self._rest[len(run) : len(run) + 1]
            inline = self._opening and run == self._fence and run[0] == "`"
            if inline or (closes and (not after or after.isspace())):
                self._fence = ""
        elif len(run) >= 3 and starts_line and not self._ticks:
            self._fence, self._opening = run, True
        elif run[0] == "`":
            if not self._ticks:
                self._ticks = len(run)
            elif self._ticks == len(run):
                self._ticks = 0
        return self._emit(len(run))

    def _bracket(self, token: str, final: bool) -> bool:
        """A bracket and the spaces before it: a mark, or text like any other."""
        start = len(token) - 1
        if self._fence or self._ticks or (start == 0 and self._line.endswith("]")):
            return self._emit(len(token))
        if not final and self._undecided(start):
            return False
        mark = self._mark_at(start)
        if mark is None:
            return self._emit(len(token))
        self._take(mark, gap=start > 0)
        return True

    def _undecided(self, start: int) -> bool:
        """Whether more text may change what begins here; one character after a mark settles it."""
        mark = _MARK.match(self._rest, start)
        if mark is not None:
            return mark.end() == len(self._rest)
        return start == len(self._rest) or _UNFINISHED.match(self._rest, start) is not None

    def _mark_at(self, start: int) -> re.Match[str] | None:
        """The mark that begins here, unless it is a link or a reference definition."""
        mark = _MARK.match(self._rest, start)
        if mark is None:
            return None
        following = self._rest[mark.end() : mark.end() + 1]
        label = following == ":" and not self._line.strip()
        return None if following == "(" or label else mark

    def _take(self, mark: re.Match[str], *, gap: bool) -> None:
        self._pieces.extend(int(number) for number in numbers(mark.group()))
        self._rest = self._rest[mark.end() :]
        self._after_mark = True
        self._gap = self._gap or gap

    def _follow(self, final: bool) -> bool:
        """After a mark: another one, however it is separated, or text that needs its space back."""
        if between := _BETWEEN.match(self._rest):
            if not final and self._undecided(between.end()):
                return False
            if mark := self._mark_at(between.end()):
                self._take(mark, gap=False)
                return True
        self._after_mark = False
        if self._gap and (self._rest[0].isalnum() or self._rest[0] in "([{`*_\"'“"):
            self._rest = " " + self._rest
        elif not self._line:
            self._rest = self._rest.lstrip(" \t")
        self._gap = False
        return True


def numbers(mark: str) -> list[str]:
    """The numbers in a mark; of ``【1†page 7】`` only the first counts."""
    found = _NUMBERS.findall(mark)
    return found[:1] if mark.startswith("【") else found
