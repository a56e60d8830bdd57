"""HTML from pages, reduced to tags and attributes that can do nothing but show text."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from typing import Final

_ALLOWED: Final = """
a abbr address b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption
figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup
table tbody td tfoot th thead time tr u ul var
"""
_TAGS: Final = frozenset(_ALLOWED.split())
_VOID: Final = frozenset({"br", "col", "hr", "img"})
_DROPPED: Final = frozenset(
    {"script", "style", "template", "title", "iframe", "object", "svg", "math"}
)
_ATTRIBUTES: Final = frozenset(
    {"id", "title", "alt", "colspan", "rowspan", "start", "datetime", "open"}
)


class Sanitiser(HTMLParser):
    """Writes what it is fed again with allowed tags only; links and images go through ``rewrite``.

    ``rewrite`` is given the tag and the address, and gives the address to use or None to leave the
    attribute out.
    """

    def __init__(self, rewrite: Callable[[str, str], str | None]) -> None:
        super().__init__(convert_charrefs=True)
        self._rewrite = rewrite
        self._out: list[str] = []
        self._open: list[str] = []
        self._dropping = 0

    def result(self) -> str:
        """Everything so far, with every tag closed."""
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._dropping += 1
        elif not self._dropping and tag in _TAGS:
            kept = "".join(self._attribute(tag, name, value or "") for name, value in attrs)
            if tag == "img" and " alt=" not in kept:
                kept += ' alt=""'
            if tag != "img" or " src=" in kept:
                self._out.append(f"<{tag}{kept}>")
                if tag not in _VOID:
                    self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._dropping = max(0, self._dropping - 1)
        elif not self._dropping and self._open and self._open[-1] == tag:
            self._open.pop()
            self._out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            self._out.append(escape(data, quote=False))

    def _attribute(self, tag: str, name: str, value: str) -> str:
        if (tag, name) in (("a", "href"), ("img", "src")):
            target = self._rewrite(tag, value)
            return f' {name}="{escape(target)}"' if target is not None else ""
        return f' {name}="{escape(value)}"' if name in _ATTRIBUTES else ""
