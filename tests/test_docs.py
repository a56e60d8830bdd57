"""The documentation names everything there is, and nothing that is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from parlour.cli.main import app
from parlour.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_the_tables_are_what_the_code_says() -> None:
    script = ROOT / "scripts/generators/reference_docs.py"
    check = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_setting_says_what_it_does() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert silent == []


def test_every_command_and_option_is_documented() -> None:
    page = read("docs/cli.md")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    missing = [f"parlour {name}" for name in commands if f"parlour {name}" not in page]
    for name, command in commands.items():
        section = page.partition(f"parlour {name}")[2]
        flags = [flag for option in command.params for flag in option.opts if flag[:2] == "--"]
        missing += [f"parlour {name} {flag}" for flag in flags if flag not in section]
    assert missing == []


def test_the_documentation_names_no_command_that_is_not_there() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = {
        (path.name, name)
        for path in PAGES
        for name in re.findall(r"(?:^|`)parlour ([a-z]+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {(page, name) for page, name in named if name not in commands} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text("utf-8")) if ":" not in link]
    broken = [link for link in targets if not (page.parent / link).exists()]
    assert broken == []


def test_every_guarantee_names_tests_that_exist() -> None:
    page = read("docs/guarantees.md")
    ours = [*(ROOT / "tests").glob("*/*.py"), *(ROOT / "src").glob("parlour/*/contract*.py")]
    known = {
        name for file in ours for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    titles = "".join(file.read_text("utf-8") for file in (ROOT / "widget/test").glob("*.ts"))
    rows = [line for line in page.splitlines() if line.startswith("| ") and "Promise" not in line]
    for row in rows:
        tests = row.rstrip(" |").rpartition(" | ")[2]
        named, quoted = re.findall(r"`(\w+)`", tests), re.findall(r'"([^"]+)"', tests)
        assert named or quoted, f"no test is named: {row}"
        assert set(named) <= known, row
        assert all(f'("{title}"' in titles for title in quoted), row
    numbers = {number for row in rows for number in re.findall(r"\d+", row.split("|")[1])}
    assert {str(number) for number in range(1, 75)} <= numbers


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) < 120


def test_the_changelogs_first_version_is_the_packages() -> None:
    from parlour import __version__

    versions = re.findall(r"^## \[(\d[^\]]*)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__
    assert f'version = "{__version__}"' in read("pyproject.toml")
