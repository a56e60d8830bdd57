"""Passages: short enough to read, never torn in the wrong place."""

from __future__ import annotations

from parlour.knowledge.markdown import read_markdown
from parlour.knowledge.split import MAX_CODE_CHARS, MAX_WORDS, Part, split


def parts(text: str) -> list[Part]:
    return list(split(read_markdown(text, "page.md")[0]))


def words(part: Part) -> int:
    return sum(len(block.text.split()) for block in part.blocks)


def test_a_passage_knows_the_headings_above_it() -> None:
    found = parts("# Page\n\nIntro.\n\n## One\n\n### Deep\n\nText.\n\n## Two\n\nMore.\n")
    assert [(part.anchor, part.headings) for part in found] == [
        ("page", ("Page",)),
        ("deep", ("Page", "One", "Deep")),
        ("two", ("Page", "Two")),
    ]


def test_a_long_section_is_split_into_parts_of_similar_length() -> None:
    paragraph = "word " * 59 + "end."
    found = parts("# T\n\n" + "\n\n".join([paragraph] * 11))
    assert len(found) == 3
    assert all(MAX_WORDS * 0.5 < words(part) <= MAX_WORDS * 1.2 for part in found)
    assert {part.anchor for part in found} == {"t"}


def test_a_list_stays_with_the_sentence_that_leads_it_in() -> None:
    filler = "word " * 150
    steps = "\n".join(f"{n}. step {'more ' * 10}" for n in range(1, 6))
    found = parts(f"# T\n\n{filler}\n\n{filler}\n\nDo this:\n\n{steps}\n")
    (holder,) = [part for part in found if any(block.text == "Do this:" for block in part.blocks)]
    assert sum(block.kind == "item" for block in holder.blocks) == 5


def test_code_and_tables_stay_whole() -> None:
    code = "\n".join(f"line_{n} = {n}" for n in range(200))
    (part,) = parts(f"# T\n\n```python\n{code}\n```\n")
    assert part.blocks[0].text == code
    assert part.blocks[0].marker == "python"


def test_text_without_an_end_is_cut_all_the_same() -> None:
    found = parts("# T\n\n" + "x" * 100_000 + "\n\n```\n" + "y" * 100_000 + "\n```\n")
    assert all(len(block.text) <= MAX_CODE_CHARS for part in found for block in part.blocks)
    assert sum(len(block.text) for part in found for block in part.blocks) >= 200_000
