"""Which files are pages, and how their text becomes headings and blocks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from parlour.errors import ConfigurationError
from parlour.knowledge.base import Block
from parlour.knowledge.document import Document, Slugger, page_path
from parlour.knowledge.load import list_files, read_document
from parlour.knowledge.markdown import read_markdown


def put(root: Path, name: str, content: str | bytes = "# Page\n\ntext") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def names(root: Path) -> list[str]:
    return [file.name for file in list_files(root).files]


def read(root: Path, name: str) -> Document:
    return next(read_document(file) for file in list_files(root).files if file.name == name)


@pytest.mark.parametrize(
    ("file", "page"),
    [
        ("index.md", "/"),
        ("README.md", "/"),
        ("guide/start.md", "/guide/start"),
        ("guide/index.mdx", "/guide/"),
        ("a/b.c.html", "/a/b.c"),
    ],
)
def test_a_page_has_the_address_of_its_file(file: str, page: str) -> None:
    assert page_path(file) == page


def test_packages_hidden_folders_and_build_output_are_no_pages(tmp_path: Path) -> None:
    for name in (
        "a.md",
        "b/c.mdx",
        ".git/d.md",
        "node_modules/p/e.md",
        "build/f.html",
        ".g.md",
        "_h.md",
    ):
        put(tmp_path, name)
    put(tmp_path, "i.py")
    listing = list_files(tmp_path)
    assert [file.name for file in listing.files] == ["a.md", "b/c.mdx"]
    assert any(reason.startswith("build/: ") for reason in listing.skipped)
    assert any(reason.startswith("_h.md: ") for reason in listing.skipped)


def test_what_is_skipped_is_named_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "big.md", b"x" * 2_000_001)
    put(tmp_path, "binary.txt", b"MZ\x00\x01")
    put(tmp_path, "empty.md", b" \n")
    put(tmp_path, "same.md")
    put(tmp_path, "same.html", "<p>same</p>")
    listing = list_files(tmp_path)
    assert [file.name for file in listing.files] == ["same.md"]
    reasons = dict(reason.split(": ", 1) for reason in listing.skipped)
    assert "2 MB" in reasons["big.md"]
    assert reasons["binary.txt"] == "not text"
    assert reasons["empty.md"] == "empty"
    assert "same.md" in reasons["same.html"]


def test_links_in_a_circle_end_and_links_outside_are_not_followed(tmp_path: Path) -> None:
    outside = put(tmp_path, "outside/secret.md")
    root = tmp_path / "docs"
    put(root, "a/page.md")
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to(root / "self")
    (root / "secret.md").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent, target_is_directory=True)
    put(root, "..data/mounted.md")
    (root / "mounted.md").symlink_to(root / "..data" / "mounted.md")
    listing = list_files(root)
    assert [file.name for file in listing.files] == ["mounted.md", "a/page.md"]
    assert sum("leads out" in reason for reason in listing.skipped) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    put(tmp_path, "a.md").chmod(0)
    assert list_files(tmp_path).files == ()


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list_files(tmp_path / "nothing")
    assert "--docs" in caught.value.hint


def test_bytes_that_are_no_text_do_not_stop_a_page(tmp_path: Path) -> None:
    put(tmp_path, "latin.md", "# Caf\xe9\n\nok".encode("latin-1"))
    put(tmp_path, "wide.txt", "wide text".encode("utf-16"))
    put(tmp_path, "bom.md", "\ufeff# Marked".encode())
    assert read(tmp_path, "latin.md").sections[1].blocks[0].text == "ok"
    assert read(tmp_path, "wide.txt").sections[0].blocks[0].text == "wide text"
    assert read(tmp_path, "bom.md").title == "Marked"


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Delivery times", "delivery-times"),
        ("What's new in 2.0?", "whats-new-in-20"),
        ("Q & A", "q--a"),
        ("`parlour dev` – the demo", "parlour-dev--the-demo"),
        ("Größe_und Länge", "größe_und-länge"),
        ("日本語 見出し", "日本語-見出し"),
    ],
)
def test_anchors_are_githubs(heading: str, anchor: str) -> None:
    document, _ = read_markdown(f"## {heading}\n\n## {heading}\n", "x.md")
    assert [section.anchor for section in document.sections[1:]] == [anchor, f"{anchor}-1"]


def test_a_heading_of_punctuation_still_has_an_anchor() -> None:
    slugger = Slugger()
    assert slugger.slug("!!!") != slugger.slug("???")


def test_front_matter_gives_the_title_and_is_not_text() -> None:
    document, _ = read_markdown(
        "---\ntitle: 'It: works'\ntags:\n  - a\n---\n# Other\n\nText.", "x.md"
    )
    assert document.title == "It: works"
    assert "tags" not in str(document.sections)


def test_a_page_without_any_title_is_named_after_its_file(tmp_path: Path) -> None:
    put(tmp_path, "02-first_api-steps.txt", "hello")
    assert read(tmp_path, "02-first_api-steps.txt").title == "First API steps"


def test_markdown_becomes_blocks_as_a_reader_sees_them() -> None:
    text = (
        "# T\n\nA **bold** [link](x.md) and `code` ![pic](p.png) <b>raw</b>\nnext line.\n\n"
        "1. one\n   ```sh\n   run\n   ```\n2. two\n   - inner\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n"
        "<!-- hidden --><script>evil()</script>\n\n> quoted\n"
    )
    document, _ = read_markdown(text, "x.md")
    assert document.sections[1].blocks == [
        Block("text", "A bold link and `code` raw next line."),
        Block("item", "one", "1."),
        Block("code", "run", "sh"),
        Block("item", "two", "2."),
        Block("item", "inner", "-", 1),
        Block("table", "a | b\n1 | `2`"),
        Block("text", "quoted"),
    ]


def test_html_becomes_the_same_blocks_without_the_page_around_it(tmp_path: Path) -> None:
    put(
        tmp_path,
        "x.html",
        "<title>T | Site</title><nav>menu</nav><main><h1>T</h1><p>A <b>bold</b> and <code>code</code></p>"
        "<ol><li>one<li>two<ul><li>inner</ul></ol><pre><code class='language-sh'>run\n  it</code></pre>"
        "<table><tr><th>a<th>b<tr><td>1<td>2</table><script>evil()</script></main><footer>foot</footer>",
    )
    document = read(tmp_path, "x.html")
    assert document.title == "T"
    assert document.sections[1].blocks == [
        Block("text", "A bold and `code`"),
        Block("item", "one", "1."),
        Block("item", "two", "2."),
        Block("item", "inner", "-", 1),
        Block("code", "run\n  it", "sh"),
        Block("table", "a | b\n1 | 2"),
    ]


def test_control_and_direction_characters_are_dropped() -> None:
    document, _ = read_markdown("A\x00\x1b[31m\u202eevil\u200b text", "x.md")
    assert document.sections[0].blocks[0].text == "A[31mevil text"


def test_hostile_nesting_is_read_in_time(tmp_path: Path) -> None:
    put(tmp_path, "deep.html", "<div>" * 50_000 + "end")
    put(tmp_path, "deep.md", ">" * 20_000 + " end\n\n" + "- " * 2_000 + "x\n\n" + "[" * 20_000)
    put(tmp_path, "ticks.md", "`" * 20_000 + "\n\n" + "*a_" * 5_000)
    for name in names(tmp_path):
        read(tmp_path, name)
