"""What is public is listed, and what is listed is there. (Their order is ruff's business: RUF022.)"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "parlour"
PACKAGES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    for path in PACKAGE.rglob("__init__.py")
    if path.read_text("utf-8").strip()
)


def listed(package: str) -> list[str]:
    return list(getattr(import_module(package), "__all__", []))


def defined(package: str) -> set[str]:
    """The public names a package's own __init__ assigns or defines."""
    path = PACKAGE.parent.joinpath(*package.split("."), "__init__.py")
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_lists_is_there_once(package: str) -> None:
    module = import_module(package)
    for name in listed(package):
        assert getattr(module, name) is not None
    assert len(set(listed(package))) == len(listed(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_defines_is_listed(package: str) -> None:
    assert defined(package) - set(listed(package)) == set()


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()
