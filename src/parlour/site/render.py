"""One page's HTML: Markdown, HTML or plain text, the ids of its headings being the search's anchors."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MethodType
from typing import Any, Final

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from parlour.knowledge.document import Document, Section, clean, name_title
from parlour.knowledge.html import read_html
from parlour.knowledge.markdown import ADMONITIONS, heading_text, parser, read_markdown
from parlour.site.links import Links
from parlour.site.sanitise import Sanitiser

MAX_HIGHLIGHTED: Final = 20_000
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HARMLESS: Final = re.compile(r"</?(?:br|kbd|sub|sup|mark|wbr)\s*/?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TocEntry:
    """A heading of the page, for its table of contents."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Content:
    """The inside of a page: safe HTML, without the page around it."""

    title: str
    description: str
    html: str
    toc: tuple[TocEntry, ...]
    has_heading: bool


def render_content(text: str, links: Links) -> Content:
    """The content of the file ``links`` belongs to."""
    name = links.file.lower()
    if name.endswith((".md", ".mdx", ".markdown")):
        document, tokens = read_markdown(text, links.file)
        html = PageRenderer(links).render(tokens, parser().options, {})
        return _content(document, html)
    if name.endswith((".html", ".htm")):
        document, main = read_html(text, links.file)
        sanitiser = Sanitiser(links.rewrite)
        sanitiser.feed(main)
        sanitiser.close()
        return _content(document, sanitiser.result())
    shown = f'<pre class="plain" tabindex="0">{escape(clean(text), quote=False)}</pre>'
    return Content(name_title(links.file), "", shown, (), has_heading=False)


def _content(document: Document, html: str) -> Content:
    toc = tuple(_toc(document.sections))
    first = any(section.level == 1 and section.heading for section in document.sections)
    return Content(document.title, document.front.get("description", ""), html, toc, first)


def _toc(sections: Sequence[Section]) -> list[TocEntry]:
    return [
        TocEntry(section.level, section.heading, section.anchor)
        for section in sections
        if section.level in (2, 3) and section.heading
    ]


def highlighted(code: str, language: str) -> str:
    """Code as HTML with a class for each kind of word; plain when the language is not known."""
    if language and len(code) <= MAX_HIGHLIGHTED:
        try:
            lexer = get_lexer_by_name(language, stripnl=False)
            return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
        except ClassNotFound:
            pass
    return escape(code, quote=False)


class PageRenderer(RendererHTML):
    """markdown-it's renderer with rewritten links, highlighted code and no raw HTML."""

    def __init__(self, links: Links) -> None:
        super().__init__()
        self._links = links
        for name in ADMONITIONS:
            self.rules[f"container_{name}_open"] = MethodType(_admonition, self)
            self.rules[f"container_{name}_close"] = MethodType(_admonition_end, self)

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        info = tokens[idx].info.split()
        language = re.sub(r"[^\w+#-].*", "", info[0]) if info else ""
        label = f' data-language="{escape(language)}"' if language else ""
        code = highlighted(tokens[idx].content, language)
        return f'<div class="code"{label}><pre tabindex="0"><code>{code}</code></pre></div>\n'

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return self.fence(tokens, idx, options, env)

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        text = _COMMENT.sub("", tokens[idx].content).strip()
        return f"<p>{escape(text, quote=False)}</p>\n" if text else ""

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        content = tokens[idx].content
        return (
            content
            if _HARMLESS.fullmatch(content)
            else escape(_COMMENT.sub("", content), quote=False)
        )

    def heading_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        anchor = tokens[idx - 2].attrGet("id")
        name = heading_text(tokens[idx - 1].children or ())
        link = f'<a class="anchor" href="#{escape(str(anchor))}" aria-label="Link to “{escape(name)}”"></a>'
        return f"{link}</{tokens[idx].tag}>\n"

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        target = self._links.rewrite("a", str(tokens[idx].attrGet("href") or ""))
        tokens[idx].attrSet("href", target or "#")
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        address = str(token.attrGet("src") or "")
        target = self._links.rewrite("img", address)
        text = escape(self.renderInlineAsText(token.children or (), options, env))
        if target is None:
            return text
        return f'<img src="{escape(target)}" alt="{text}" loading="lazy">'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return '<div class="table" role="region" aria-label="Table" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return "</table></div>\n"


Env = MutableMapping[str, Any]


def _admonition(
    _: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
) -> str:
    info = tokens[idx].info.strip()
    kind = re.split(r"[\s\[]", info, maxsplit=1)[0]
    name = info.removeprefix(kind).strip(" []") or kind.capitalize()
    return (
        f'<div class="markdown-alert markdown-alert-{escape(kind)}">'
        f'<p class="markdown-alert-title">{escape(name)}</p>\n'
    )


def _admonition_end(
    _: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
) -> str:
    return "</div>\n"
