"""HTML pages: the main content of a page, and the blocks in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from parlour.knowledge.base import Block
from parlour.knowledge.document import Document, Section, Slugger, clean, name_title, one_line

_NOISE: Final = (
    "script, style, template, noscript, nav, aside, footer, form, iframe, object, embed, svg, "
    "button, input, select, textarea, dialog, [hidden], [aria-hidden=true]"
)
_MAIN: Final = ("main", "[role=main]", "article", "body")
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCK_TAGS: Final = """
p div section article main header ul ol li dl dt dd table thead tbody tr pre blockquote figure
figcaption hr details summary address body
"""
_BREAKS: Final = _HEADINGS | frozenset(_BLOCK_TAGS.split())


def main_content(text: str) -> tuple[str, str]:
    """The page's own title and its main content as well-formed HTML with an id on every heading."""
    tree = LexborHTMLParser(clean(text))
    title = tree.css_first("title")
    name = one_line(title.text()) if title else ""
    root = next((node for query in _MAIN if (node := tree.css_first(query))), None)
    if root is None:
        return name, ""
    for noise in root.css(_NOISE):
        noise.decompose()
    headings = root.css("h1, h2, h3, h4, h5, h6")
    slugger = Slugger({node.attributes.get("id") or "" for node in headings} - {""})
    for node in headings:
        if not node.attributes.get("id"):
            node.attrs["id"] = slugger.slug(one_line(node.text()))
    return name, root.html or ""


def read_html(text: str, file: str) -> tuple[Document, str]:
    """The page, and the HTML of its main content for a site to clean and show."""
    name, content = main_content(text)
    reader = _BlockReader()
    reader.feed(content)
    reader.close()
    reader.end_block()
    first = next((one.heading for one in reader.sections if one.level == 1 and one.heading), "")
    return Document(first or name or name_title(file), reader.sections), content


class _BlockReader(HTMLParser):
    """Collects blocks from well-formed HTML; no recursion, so that no nesting is too deep."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections = [Section(0, "", "")]
        self._text: list[str] = []
        self._lists: list[int] = []
        self._marker = ""
        self._heading: tuple[int, str] | None = None
        self._pre = False
        self._language = ""
        self._rows: list[list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if self._pre:
            self._language = self._language or _language(known.get("class"))
            return
        if self._rows is not None:
            self._start_in_table(tag)
            return
        if tag in _BREAKS:
            self.end_block()
        if tag in _HEADINGS:
            self._heading = (int(tag[1]), known.get("id") or "")
        elif tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else 0)
        elif tag == "li":
            self._start_item()
        elif tag == "pre":
            self._pre, self._language = True, _language(known.get("class"))
        elif tag == "table":
            self._rows = []
        elif tag == "br":
            self._text.append(" ")
        elif tag == "code":
            self._text.append("`")

    def _start_in_table(self, tag: str) -> None:
        assert self._rows is not None
        if tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append("")

    def _start_item(self) -> None:
        number = self._lists[-1] if self._lists else 0
        self._marker = f"{number}." if number else "-"
        if number:
            self._lists[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            self._end_code()
        elif tag == "table" and self._rows is not None:
            self._end_table()
        elif self._pre or self._rows is not None:
            return
        elif tag == "code":
            self._text.append("`")
        elif tag in _BREAKS:
            self.end_block()
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()

    def handle_data(self, data: str) -> None:
        if self._rows is None:
            self._text.append(data if self._pre else data.replace("`", "'"))
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] += data.replace("|", "/")

    def end_block(self) -> None:
        """Closes the text that is open, as a heading, an item or a paragraph."""
        text = one_line("".join(self._text)).replace("``", "")
        self._text.clear()
        if self._heading is not None:
            level, anchor = self._heading
            self._heading = None
            self.sections.append(Section(level, text.replace("`", ""), anchor))
        elif text and self._lists:
            self._add(Block("item", text, self._marker, len(self._lists) - 1))
            self._marker = ""
        elif text:
            self._add(Block("text", text))

    def _end_code(self) -> None:
        text = "".join(self._text).strip("\n")
        self._text.clear()
        self._pre = False
        if text.strip():
            self._add(Block("code", text, self._language))

    def _end_table(self) -> None:
        rows = [" | ".join(one_line(cell) for cell in row) for row in self._rows or () if any(row)]
        self._rows = None
        if rows:
            self._add(Block("table", "\n".join(rows)))

    def _add(self, block: Block) -> None:
        self.sections[-1].blocks.append(block)


def _language(classes: str | None) -> str:
    found = re.search(r"\blang(?:uage)?-([\w+#-]+)", classes or "")
    return found.group(1) if found else ""
