"""Quoting pages in Markdown so that it reads as it stood there and can never become markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from parlour.knowledge import Block

_CODE: Final = re.compile(r"(`[^`]+`)")
_MARKUP: Final = re.compile(r"[\\*`\[\]<~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_LINE_START: Final = re.compile(r"^(?=[#>+=-])|(?<=^\d)(?=[.)]\s)|(?<=^\d\d)(?=[.)]\s)")
_TICKS: Final = re.compile(r"`+")


def escape(text: str) -> str:
    """Plain text as Markdown that shows it; inline code in backticks stays code."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(
        part if number % 2 else _MARKUP.sub(r"\\\g<0>", part) for number, part in enumerate(parts)
    )


def paragraph(text: str) -> str:
    """Escaped text that stands at the start of a line and stays a paragraph."""
    return _LINE_START.sub(r"\\", escape(text), count=1)


def items(blocks: Sequence[Block]) -> str:
    """List items with the bullets or numbers they had."""
    lines: list[str] = []
    for block in blocks:
        if block.marker:
            lines.append(f"{'   ' * block.depth}{block.marker} {paragraph(block.text)}")
        elif lines:
            lines[-1] += f" {escape(block.text)}"
        else:
            lines.append(paragraph(block.text))
    return "\n".join(lines)


def table(rows: Sequence[str]) -> str:
    """A table from rows whose cells stand between `` | ``, the header first."""
    header, *others = [f"| {' | '.join(map(escape, row.split(' | ')))} |" for row in rows]
    columns = rows[0].count(" | ") + 1
    return "\n".join([header, f"|{' --- |' * columns}", *others])


def code(block: Block) -> str:
    """A code block in a fence that nothing inside it can close."""
    longest = max((len(ticks) for ticks in _TICKS.findall(block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{block.marker}\n{block.text}\n{fence}"
