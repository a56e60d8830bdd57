"""Writes the tables of docs/settings.md and docs/errors.md; with --check only compares.

What stands between the two markers of a page is made from the code, the rest is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from parlour.errors import ParlourError
from parlour.settings import Settings

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
BEGIN: Final = "<!-- made by scripts/generate: begin -->"
END: Final = "<!-- made by scripts/generate: end -->"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; a bar inside a cell does not end it."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(c.replace('|', '&#124;') for c in row)} |\n" for row in lines)


def environment_names(name: str, field: FieldInfo) -> list[str]:
    """The variables a setting is read from, the first one that is set wins."""
    if isinstance(field.validation_alias, AliasChoices):
        names = [str(choice) for choice in field.validation_alias.choices]
        return [each for each in names if each.isupper()]
    return [f"PARLOUR_{name.upper()}"]


def shown_default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == "":
        return "not set"
    return "hidden" if isinstance(value, SecretStr) else f"`{value}`"


def settings_table() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        names = ", ".join(f"`{each}`" for each in environment_names(name, field))
        rows.append((f"`{name}`", names, shown_default(field), field.description or ""))
    return table(("Setting", "Environment", "Default", "What it does"), rows)


def error_classes(base: type[ParlourError] = ParlourError) -> Iterator[type[ParlourError]]:
    """The tree from its root, a parent before its children."""
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


def errors_table() -> str:
    rows = [
        (f"`{each.code}`", str(each.status), each.hint)
        for each in sorted(error_classes(), key=lambda each: (each.status, each.code))
    ]
    return table(("Code", "Status", "What to do"), rows)


def with_table(page: str, made: str) -> str:
    """The page with the table between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


def main() -> int:
    stale = []
    for name, made in {"settings.md": settings_table(), "errors.md": errors_table()}.items():
        path = DOCS / name
        page = path.read_text("utf-8")
        if with_table(page, made) == page:
            continue
        if "--check" in sys.argv:
            stale.append(f"docs/{name}")
        else:
            path.write_text(with_table(page, made), "utf-8")
    if stale:
        print(f"Out of date: {', '.join(stale)}. Run scripts/generate.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
