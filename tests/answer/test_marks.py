"""Citation marks leave the text wherever they stand, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlour.answer.marks import MarkScanner


def scan(*pieces: str) -> list[str | int]:
    """The text and marks of a text that came in these pieces, neighbouring text joined."""
    scanner = MarkScanner()
    found = [part for piece in pieces for part in scanner.feed(piece)] + scanner.end()
    joined: list[str | int] = []
    for part in found:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return joined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Blue [1].", ["Blue", 1, "."]),
        ("Blue[1] sky", ["Blue", 1, " sky"]),
        ("Blue [1] sky", ["Blue", 1, " sky"]),
        ("Blue [1]sky", ["Blue", 1, " sky"]),
        ("Blue [1][2].", ["Blue", 1, 2, "."]),
        ("Blue [1] [2], sky", ["Blue", 1, 2, ", sky"]),
        ("Blue [1], [2], sky", ["Blue", 1, 2, ", sky"]),
        ("Blue [1, 2; 3].", ["Blue", 1, 2, 3, "."]),
        ("Blue [[2]].", ["Blue", 2, "."]),
        ("Blue【1】.", ["Blue", 1, "."]),
        ("Blue 【12†page 7】.", ["Blue", 12, "."]),
        ("Blue 【1】【2】", ["Blue", 1, 2]),
        ("Great![1]", ["Great!", 1]),
        ("[docs](/a)[1]", ["[docs](/a)", 1]),
        ("**Blue** [1]\n\n- [2] Red", ["**Blue**", 1, "\n\n-", 2, " Red"]),
        ("[1] Red", [1, "Red"]),
        ("Blue [1]  \nsky", ["Blue", 1, "  \nsky"]),
        ("Is `a` blue [1]?", ["Is `a` blue", 1, "?"]),
        ("One ` tick.\n\nBlue [1].", ["One ` tick.\n\nBlue", 1, "."]),
        ("```\nx[1]\n```\nBlue [1].", ["```\nx[1]\n```\nBlue", 1, "."]),
        ("```x[1]``` is blue [1].", ["```x[1]``` is blue", 1, "."]),
        ("`\\` is blue [1].", ["`\\` is blue", 1, "."]),
        ("Blue [1] `x[2]`.", ["Blue", 1, " `x[2]`."]),
    ],
)
def test_a_mark_becomes_its_number_where_it_stood(text: str, expected: list[str | int]) -> None:
    assert scan(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Take `arr[1]` here",
        "``a ` [1]`` b",
        "```py\narr[1] = x[2]\n```",
        "~~~\n[1]\n```\n[2]\n~~~",
        "````md\n```\n[1]\n```\n[2]\n````",
        "1. Do\n   ```sh\n   echo $a[1]\n   ```\n",
        "> ```\n> [1]\n> ```\n",
        "See [1](https://example.com) and [the docs](/x)",
        "![1](a.png)",
        "[1]: https://example.com",
        "[text][1]",
        "Escaped \\[1] here",
        "- [x] done\n- [ ] open",
        "[a], [1a], [], [1234], [-1], a[i]",
        "An open [1",
        "An open [",
        "An open 【1",
        "Spaces at the end   ",
        "A tick at the end `",
        "A backslash at the end \\",
    ],
)
def test_what_is_no_mark_stays_as_it_is(text: str) -> None:
    assert scan(text) == [text]
    assert scan(*text) == [text]


PARTS = st.sampled_from(
    [
        "[1]",
        "[2]",
        "[",
        "]",
        "(",
        "1",
        ", ",
        " ",
        "a",
        "`",
        "```",
        "~~~",
        "\n",
        "\\",
        ":",
        "【3】",
        "!",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=25), st.data())
def test_where_the_stream_was_cut_makes_no_difference(
    parts: list[str], data: st.DataObject
) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert scan(*pieces) == scan(text)
    assert scan(*text) == scan(text)


def test_little_is_held_back() -> None:
    scanner = MarkScanner()
    shown = "".join(str(part) for part in scanner.feed("word " * 50 + "[" + " " * 500))
    assert shown.startswith("word " * 50)
    for text in ("[" * 500, "【" * 500, "【1" + "x" * 500, " " * 500):
        scanner = MarkScanner()
        held = len(text) - len("".join(map(str, scanner.feed(text))))
        assert held <= 50
