"""Markdown and MDX: one parser for the search and for the site, so that their anchors agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

from parlour.knowledge.base import Block
from parlour.knowledge.document import Document, Section, Slugger, clean, name_title, one_line

ADMONITIONS: Final = ("note", "tip", "info", "warning", "danger", "caution", "important")

_OWN_ID: Final = re.compile(r"\s*\{#([\w.:-]+)\}\s*$")
_FENCE: Final = re.compile(r"^\s*(`{3,}|~{3,})")
_MODULE_LINE: Final = re.compile(r"^(import|export)\s.*$")
_COMPONENT: Final = re.compile(r"</?[A-Z][\w.]*(?:\s[^<>]*)?/?>|</?>")
_COMMENT: Final = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)
_TAG: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1>|\Z)|<[^>]*>", re.DOTALL | re.IGNORECASE
)
_SCALAR: Final = re.compile(r"^([A-Za-z_][\w-]*):[ \t]+(.+?)[ \t]*$")


def plain_mdx(text: str) -> str:
    """MDX as Markdown: imports, exports, components and expressions' comments are left out."""
    kept: list[str] = []
    fence = ""
    statement = False
    for line in _COMMENT.sub("", text).split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark.group(1)
        elif fence:
            if mark and mark.group(1).startswith(fence) and line.strip() == mark.group(1):
                fence = ""
        elif statement or _MODULE_LINE.match(line):
            statement = bool(line.strip())
            continue
        else:
            without = _COMPONENT.sub("", line)
            # A component's own line and its indentation are layout of the page, not of the text.
            line = without if without == line else without.strip()
        kept.append(line)
    return "\n".join(kept)


def front_scalars(text: str) -> dict[str, str]:
    """The simple ``key: value`` lines of front matter; anything deeper is ignored."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        match = _SCALAR.match(line)
        if match:
            value = match.group(2)
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[match.group(1).lower()] = value
    return found


def _heading_ids(state: StateCore) -> None:
    slugger = Slugger()
    for index, token in enumerate(state.tokens):
        if token.type != "heading_open":
            continue
        inline = state.tokens[index + 1]
        children = inline.children or []
        own = None
        if (
            children
            and children[-1].type == "text"
            and (own := _OWN_ID.search(children[-1].content))
        ):
            children[-1].content = _OWN_ID.sub("", children[-1].content)
        token.attrSet("id", own.group(1) if own else slugger.slug(heading_text(children)))


def heading_text(children: Iterable[Token]) -> str:
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def _is_box(name: str, info: str, _: str) -> bool:
    return re.split(r"[\s\[]", info.strip(), maxsplit=1)[0] == name


@cache
def parser() -> MarkdownIt:
    """GitHub's Markdown with front matter, ``:::note`` boxes, and an id on every heading."""
    markdown = MarkdownIt("commonmark", {"tasklists": True, "alerts": True})
    markdown.enable(["table", "strikethrough"])
    markdown.use(front_matter_plugin).use(gfm_autolink_plugin)
    for name in ADMONITIONS:
        markdown.use(container_plugin, name=name, validate=partial(_is_box, name))
    markdown.core.ruler.push("heading_ids", _heading_ids)
    return markdown


def read_markdown(text: str, file: str) -> tuple[Document, list[Token]]:
    """The page and the tokens a site renders it from."""
    text = clean(text)
    tokens = parser().parse(plain_mdx(text) if file.lower().endswith(".mdx") else text)
    front = front_scalars(tokens[0].content) if tokens and tokens[0].type == "front_matter" else {}
    sections = [Section(0, "", "")]
    for node in SyntaxTreeNode(tokens).children:
        if node.type == "heading":
            heading = _inline(node).replace("`", "")
            sections.append(Section(int(node.tag[1]), heading, str(node.attrs.get("id", ""))))
        else:
            _add(node, sections[-1].blocks)
    first = next((one.heading for one in sections if one.level == 1 and one.heading), "")
    return Document(front.get("title") or first or name_title(file), sections, front), tokens


def _inline(node: SyntaxTreeNode) -> str:
    """A paragraph's or heading's text as a reader sees it, inline code in backticks."""
    parts: list[str] = []
    for inline in node.children:
        for token in (inline.token and inline.token.children) or ():
            if token.type == "text":
                parts.append(token.content.replace("`", "'"))
            elif token.type == "code_inline":
                parts.append(f"`{one_line(token.content).replace('`', chr(39))}`")
            elif token.type in ("softbreak", "hardbreak") or token.content.startswith("<br"):
                parts.append(" ")
    return one_line("".join(parts))


def _add(node: SyntaxTreeNode, blocks: list[Block], depth: int = 0) -> None:
    if node.type in ("paragraph", "heading"):
        _append(blocks, Block("text", _inline(node)))
    elif node.type in ("fence", "code_block"):
        language = node.info.split()[0] if node.info.strip() else ""
        _append(
            blocks, Block("code", node.content.rstrip("\n"), re.sub(r"[^\w+#-].*", "", language))
        )
    elif node.type in ("bullet_list", "ordered_list"):
        _add_list(node, blocks, depth)
    elif node.type == "table":
        _append(blocks, Block("table", "\n".join(_rows(node))))
    elif node.type == "html_block":
        for part in _TAG.sub(" ", node.content).split("\n\n"):
            _append(blocks, Block("text", one_line(part)))
    elif node.type not in ("front_matter", "hr") and not node.type.endswith("alert_title"):
        for child in node.children:
            _add(child, blocks, depth)


def _add_list(node: SyntaxTreeNode, blocks: list[Block], depth: int) -> None:
    number = int(node.attrs.get("start", 1))
    for item in node.children:
        marker = "-" if node.type == "bullet_list" else f"{number}."
        number += 1
        opened = False
        for child in item.children:
            if child.type == "paragraph" and not opened:
                _append(blocks, Block("item", _inline(child), marker, depth))
                opened = True
            elif child.type == "paragraph":
                _append(blocks, Block("item", _inline(child), "", depth + 1))
            else:
                _add(child, blocks, depth + 1)


def _rows(table: SyntaxTreeNode) -> Sequence[str]:
    return [
        " | ".join(_inline(cell).replace("|", "/") for cell in row.children)
        for part in table.children
        for row in part.children
    ]


def _append(blocks: list[Block], block: Block) -> None:
    if block.text.strip():
        blocks.append(block)
