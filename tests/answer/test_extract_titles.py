"""Titles made from the first question."""

from __future__ import annotations

import time

import pytest

from parlour.answer.titles import title_of


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How long does shipping take?", "How long does shipping take"),
        (
            "hi, can you please tell me how long shipping takes to Canada?",
            "How long shipping takes to Canada",
        ),
        ("Hello there! I would like to know about your warranty.", "Your warranty"),
        ("please tell me about returns...", "Returns"),
        ("Reset password. I tried everything. Twice!", "Reset password"),
        ("hello", "Hello"),
        ("  \n\n  second line first\nmore", "Second line first"),
        ("Thanksgiving opening hours?", "Thanksgiving opening hours"),
        ("iPhone app", "iPhone app"),
        ("配送はいつですか？", "配送はいつですか？"),
        ("x\x00y\u202ez", "X y z"),
        ("", None),
        (" ?! ", None),
    ],
)
def test_a_title_is_the_first_meaningful_words(question: str, title: str | None) -> None:
    assert title_of(question) == title


def test_a_title_is_short_and_ends_with_a_word() -> None:
    title = title_of(
        "How do I configure the reverse proxy so that streaming answers, are not buffered at all?"
    )
    assert title == "How do I configure the reverse proxy so that streaming"
    assert len(title_of("x" * 500) or "") == 60


def test_no_question_takes_long() -> None:
    began = time.process_time()
    for text in (
        "hi " * 1300,
        "please tell me " * 260,
        "so, " * 1000 + "x",
        "can you " * 500,
        " " * 4000 + "x",
    ):
        title_of(text)
    assert time.process_time() - began < 0.5
