"""The house rules of docs/architecture.md, as tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from inspect import isabstract
from pathlib import Path
from types import ModuleType

import pytest

from parlour.registry import Table

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "parlour"

# A room imports only from rows above its own. A new room gets its place here first.
ROWS = (
    {"errors"},
    {"protocol"},
    {"context", "registry", "settings"},
    {"models", "identity", "files", "turnlog", "stores", "knowledge"},
    {"site", "archive"},
    {"answer"},
    {"chat"},
    {"http"},
    {"app"},
    {"cli"},
)
ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}
SEAMS = ("models", "identity", "files", "turnlog", "stores", "answer")

FORBIDDEN = re.compile(r"(utils?|helpers?|manager|service|factory|common|misc)$", re.IGNORECASE)
HEAVY = ("fastapi", "sqlalchemy", "pydantic", "chatkit", "aiohttp")

MODULES = sorted(PACKAGE.rglob("*.py"))
PYTHON = [*MODULES, *sorted(ROOT.glob("tests/**/*.py")), *sorted(ROOT.glob("scripts/**/*.py"))]
PYTHON = [path for path in PYTHON if "node_modules" not in path.parts]
TYPESCRIPT = sorted((ROOT / "widget" / "src").rglob("*.ts"))


def module_name(path: Path) -> str:
    """parlour.stores.sql, or parlour.stores for its __init__."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


def room(name: str) -> str:
    """The room a module belongs to; the empty string for the package itself."""
    return name.split(".")[1] if "." in name else ""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """Every module a file imports: at the top, inside functions, and for type checking."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write relative imports in full"
            module = node.module or ""
            inner = {f"{module}.{alias.name}" for alias in node.names}
            found |= (inner & NAMES) or {module}
    return found


def imports_between_rooms() -> Iterator[tuple[str, str]]:
    for path in MODULES:
        name = module_name(path)
        for target in imported(path):
            if target.startswith("parlour.") and room(target) != room(name):
                yield name, target


# -- arrows --------------------------------------------------------------------------------------


def test_every_module_is_in_a_room_of_the_table() -> None:
    assert {room(name) for name in NAMES} - ROW.keys() - {""} == set()


def test_arrows_point_to_the_left() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, target in imports_between_rooms()
        if room(name) and ROW[room(target)] >= ROW[room(name)]
    ]
    assert not wrong, "\n".join(wrong)


def test_a_seam_is_known_outside_only_by_its_promise() -> None:
    """Tables and implementations are for app.py, which turns names into objects."""
    wrong = [
        f"{name} imports {target}"
        for name, target in imports_between_rooms()
        if room(target) in SEAMS
        and target != f"parlour.{room(target)}.base"
        and room(name) != "app"
    ]
    assert not wrong, "\n".join(wrong)


def test_importing_parlour_imports_nothing_heavy() -> None:
    code = f"import parlour, sys; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


# -- the seam's shape ----------------------------------------------------------------------------


def table(seam: str) -> tuple[str, Table[object]]:
    """A seam's table and the name it has."""
    found = [
        (name, value)
        for name, value in vars(import_module(f"parlour.{seam}")).items()
        if isinstance(value, Table)
    ]
    assert len(found) == 1, f"parlour/{seam}/__init__.py has one table"
    return found[0]


def promise(seam: str) -> type:
    """The abstract class whose subclasses the seam's table names."""
    _, entries = table(seam)
    base = import_module(f"parlour.{seam}.base")
    loaded = [entries.load(name) for name in entries]
    promises = [value for value in vars(base).values() if isinstance(value, type)]
    return next(
        each
        for each in promises
        if isabstract(each) and all(issubclass(entry, each) for entry in loaded)
    )


def families(seam: str) -> dict[str, set[str]]:
    """Implementation → its modules: the one its entry names, and those named after it."""
    stems = {module.partition(":")[0] for module in table(seam)[1].values()}
    return {
        stem: {name for name in NAMES if name == stem or name.startswith((f"{stem}_", f"{stem}."))}
        for stem in stems
    }


def public(module: ModuleType, ending: str) -> list[type]:
    return [
        value
        for name, value in vars(module).items()
        if name.endswith(ending) and isinstance(value, type) and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize("seam", SEAMS)
def test_a_seams_init_holds_its_table_and_nothing_else(seam: str) -> None:
    path = PACKAGE / seam / "__init__.py"
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    docstring, *statements = tree(path).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(each, allowed) for each in statements)
    assert import_module(f"parlour.{seam}").__all__ == [table(seam)[0]]


@pytest.mark.parametrize("seam", SEAMS)
def test_every_entry_names_a_file_of_the_seam_that_keeps_the_promise(seam: str) -> None:
    _, entries = table(seam)
    assert len(entries) > 0
    for value in entries.values():
        assert value.partition(":")[0] in NAMES
        assert value.startswith(f"parlour.{seam}.")
    assert promise(seam)


@pytest.mark.parametrize("seam", SEAMS)
def test_a_seam_ships_its_contract_and_its_tests_run_it_over_the_table(seam: str) -> None:
    contracts = public(import_module(f"parlour.{seam}.contract"), "Contract")
    assert contracts, f"parlour/{seam}/contract.py has no class named …Contract"
    assert all(any(name.startswith("test_") for name in dir(each)) for each in contracts)
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / seam).glob("*.py"))
    assert contracts[0].__name__ in tests
    assert re.search(rf"\b{table(seam)[0]}\b", tests), f"tests/{seam} does not read the table"


@pytest.mark.parametrize("seam", SEAMS)
def test_an_implementation_knows_no_other_one(seam: str) -> None:
    groups = families(seam)
    implementations = set().union(*groups.values())
    wrong = []
    for path in (PACKAGE / seam).rglob("*.py"):
        name = module_name(path)
        own = set().union(*(group for group in groups.values() if name in group))
        wrong += [f"{name} imports {each}" for each in imported(path) & implementations - own]
    assert not wrong, "\n".join(wrong)


# -- dependencies --------------------------------------------------------------------------------


def plain_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@cache
def provided(names: frozenset[str]) -> frozenset[str]:
    """These distributions and everything they always bring along."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            needed = {plain_name(each) for each in requires(name) or () if "extra ==" not in each}
        except PackageNotFoundError:
            needed = set()
        waiting |= needed - found
    return frozenset(found)


def test_what_is_imported_is_a_dependency_or_the_entrys_own_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    core = provided(frozenset(plain_name(each) for each in project["dependencies"]))
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    entries: dict[str, set[str]] = {}
    for seam in SEAMS:
        for name, value in table(seam)[1].items():
            for module in families(seam)[value.partition(":")[0]]:
                entries.setdefault(module, set()).add(name)
    known = packages_distributions()
    wrong = []
    for path in MODULES:
        name = module_name(path)
        own = [
            plain_name(each) for extra in entries.get(name, ()) for each in extras.get(extra, ())
        ]
        allowed = (
            core
            | provided(frozenset(own))
            | ({"pytest"} if path.stem.startswith("contract") else set())
        )
        for target in {each.partition(".")[0] for each in imported(path)}:
            if target == "parlour" or target in sys.stdlib_module_names:
                continue
            if not {plain_name(each) for each in known.get(target, ())} & allowed:
                wrong.append(f"{name} imports {target}")
    assert not wrong, "\n".join(wrong)


# -- sizes and names -----------------------------------------------------------------------------


def span(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A function's lines without its decorators and docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_is_longer_than_500_lines() -> None:
    sizes = {short(path): len(path.read_bytes().splitlines()) for path in PYTHON + TYPESCRIPT}
    assert {path: lines for path, lines in sizes.items() if lines > 500} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {
        f"{short(path)}:{node.name}": span(node)
        for path in PYTHON
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and span(node) > 60
    }
    assert long == {}


def test_names_say_what_a_thing_is() -> None:
    folders = {parent for path in PYTHON + TYPESCRIPT for parent in path.relative_to(ROOT).parents}
    names = [path.stem for path in PYTHON + TYPESCRIPT] + [folder.name for folder in folders]
    for path in MODULES:
        names += [node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    assert [name for name in names if FORBIDDEN.search(name)] == []


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{short(path)}:{node.lineno}"
        for path in MODULES
        if room(module_name(path)) != "cli"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not printing, "\n".join(printing)
