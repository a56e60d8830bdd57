"""The navigation of a site: its folders and pages as a tree, in the order their authors gave them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from parlour.knowledge.document import clean, name_title, one_line
from parlour.knowledge.load import SourceFile
from parlour.knowledge.markdown import front_scalars

_PEEK: Final = 16_000
_FRONT: Final = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCED: Final = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^# +(.+?)(?: +#+)?(?: *\{#[\w.:-]+\})?[ \t]*$", re.MULTILINE)
_HTML_TITLE: Final = re.compile(
    r"<h1\b[^>]*>(.*?)</h1>|<title\b[^>]*>(.*?)</title>", re.I | re.DOTALL
)
_HTML_TAG: Final = re.compile(r"<[^>]*>")
_MARKUP: Final = re.compile(r"[*_`]|!?\[([^\]]*)\]\([^)]*\)")
_ORDER_KEYS: Final = ("order", "sidebar_position", "nav_order", "weight")


@dataclass(slots=True)
class NavNode:
    """A page, a folder, or a folder with a page of its own; ``page`` is None for a mere folder."""

    title: str
    page: str | None
    order: float
    name: str
    children: list[NavNode] = field(default_factory=list)

    def pages(self) -> Iterator[NavNode]:
        """This page and those below it, in reading order."""
        if self.page is not None:
            yield self
        for child in self.children:
            yield from child.pages()


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the first lines of a page say of it."""

    title: str
    order: float


def glimpse(file: SourceFile) -> Glimpse:
    """The page's title and place, from its beginning, without parsing the whole of it."""
    with file.path.open("rb") as opened:
        text = clean(opened.read(_PEEK).decode("utf-8-sig", errors="replace"))
    if file.name.lower().endswith((".html", ".htm")):
        found = _HTML_TITLE.search(text)
        title = _HTML_TAG.sub("", found.group(1) or found.group(2)) if found else ""
        return Glimpse(one_line(title) or name_title(file.name), float("inf"))
    if file.name.lower().endswith(".txt"):
        return Glimpse(name_title(file.name), float("inf"))
    front_text = _FRONT.match(text)
    front = front_scalars(front_text.group(1)) if front_text else {}
    heading = _HEADING.search(_FENCED.sub("", text[front_text.end() if front_text else 0 :]))
    title = front.get("title") or (_MARKUP.sub(r"\1", heading.group(1)) if heading else "")
    return Glimpse(one_line(title) or name_title(file.name), _order(front))


def _order(front: dict[str, str]) -> float:
    for key in _ORDER_KEYS:
        try:
            return float(front[key])
        except (KeyError, ValueError):
            continue
    return float("inf")


def build_tree(files: Sequence[SourceFile]) -> NavNode:
    """The tree of all pages below a nameless root; a folder stands where its index page says."""
    root = NavNode("", None, 0, "")
    folders = {"": root}
    for file in files:
        seen = glimpse(file)
        parts = file.page.strip("/").split("/") if file.page != "/" else []
        is_index = file.page.endswith("/")
        folder = _folder(folders, parts if is_index else parts[:-1])
        if is_index and folder is not root:
            folder.title, folder.page, folder.order = seen.title, file.page, seen.order
        elif is_index:
            root.children.append(NavNode(seen.title, "/", float("-inf"), ""))
        else:
            folder.children.append(NavNode(seen.title, file.page, seen.order, parts[-1]))
    _sort(root)
    return root


def _folder(folders: dict[str, NavNode], parts: Sequence[str]) -> NavNode:
    path = ""
    for part in parts:
        above, path = folders[path], f"{path}/{part}"
        if path not in folders:
            folders[path] = NavNode(name_title(part), None, float("inf"), part)
            above.children.append(folders[path])
    return folders[path]


def _sort(node: NavNode) -> None:
    node.children.sort(key=lambda child: (child.order, bool(child.children), child.name.lower()))
    for child in node.children:
        _sort(child)
