"""Quotes are data: whatever a page says, the chat shows it as text and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from parlour.answer import quoting
from parlour.answer.evidence import sentences
from parlour.knowledge import Block, Knowledge
from tests.answer.test_extract import ask

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def shown(markdown: str) -> LexborHTMLParser:
    return LexborHTMLParser(GFM.render(markdown))


HOSTILE = [
    "<script>alert(1)</script> & <img src=x onerror=alert(1)>",
    "[click](https://evil.example) ![x](https://evil.example/p.png) <https://evil.example>",
    "[ref]: https://evil.example",
    "# not a heading",
    "> not a quote",
    "- not a list",
    "12. not a list",
    "1) not a list",
    "--- ",
    "=== ===",
    "***bold*** __under__ ~~struck~~ ~x~ snake_case_name _it_",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "a | b | c",
    "costs $5 and $6 in total",
    "back\\slash \\*star\\* \\",
    "a ` stray tick",
    "    indented",
    "+ plus",
    "[x] [ ] [^1]",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_shown_as_it_is_and_as_one_paragraph(text: str) -> None:
    tree = shown(quoting.paragraph(text))
    body = tree.body
    assert body is not None
    assert [node.tag for node in body.css("*") if node.tag not in ("body", "code")] == ["p"]
    assert " ".join(body.text().split()) == " ".join(text.split())


def test_inline_code_stays_code() -> None:
    tree = shown(quoting.paragraph("Set `A_B=*c*` and `<x>` now_or_never"))
    assert [node.text() for node in tree.css("code")] == ["A_B=*c*", "<x>"]


def test_no_code_can_close_its_own_fence() -> None:
    code = "```\n# out\n````\n<script>\n```````"
    tree = shown(quoting.code(Block("code", code, "md")))
    body = tree.body
    assert body is not None
    assert body.text().strip() == code
    assert not tree.css("h1, script")


def test_items_keep_their_numbers_and_nesting() -> None:
    blocks = [
        Block("item", "# one", "3."),
        Block("item", "inner", "-", 1),
        Block("item", "more", "", 1),
        Block("item", "two", "4."),
    ]
    tree = shown(quoting.items(blocks))
    assert tree.css_first("ol").attributes["start"] == "3"  # type: ignore[union-attr]
    assert [" ".join(node.text().split()) for node in tree.css("ol > li")] == [
        "# one inner more",
        "two",
    ]
    assert not tree.css("h1")


def test_table_cells_cannot_leave_their_table() -> None:
    tree = shown(quoting.table(["a | b", "<b>1</b> | [x](y)", "`code` | 2"]))
    assert [node.text() for node in tree.css("td")] == ["<b>1</b>", "[x](y)", "code", "2"]
    assert not tree.css("b, a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        (
            "Use e.g. this. It costs $4.95. See v2.0 now.",
            ["Use e.g. this.", "It costs $4.95.", "See v2.0 now."],
        ),
        ("Run `a. B` first. Then go.", ["Run `a. B` first.", "Then go."]),
        ("He said “Stop.” Then left.", ["He said “Stop.”", "Then left."]),
        (
            "Open fernwood.example/jobs and wait. 30 days.",
            ["Open fernwood.example/jobs and wait.", "30 days."],
        ),
        ("返品は可能です。配送は3日です。", ["返品は可能です。", "配送は3日です。"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


async def test_a_hostile_page_is_quoted_harmlessly(tmp_path: Path) -> None:
    root = tmp_path / "docs"
    root.mkdir()
    (root / "evil.md").write_text(
        "---\ntitle: '**x** [t](javascript:alert(1)) <script>'\n---\n"
        "## Badgers <img src=x onerror=alert(1)> [b](https://evil.example)\n\n"
        "Badgers sleep \x1b[31m\u202e in \\<script>alert(1)\\</script> \\[dens](https://evil.example/a).\n\n"
        "````\n```\nbadgers # out\n```\n````\n"
    )
    knowledge = await Knowledge.from_folder(root, index=tmp_path / "k.db")
    answer = await ask(knowledge, "Where do badgers sleep?")
    await knowledge.close()
    assert "sleep" in answer.text
    tree = shown(answer.text)
    assert not tree.css("script, img, a, h1, h2")
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
