"""What the commands print with; NO_COLOR and missing terminals are rich's business."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from parlour.errors import ConfigurationError, ParlourError
from parlour.knowledge import Knowledge
from parlour.settings import Settings

T = TypeVar("T")

_USER: Final = re.compile(r"//(.*)@")  # to the last one: passwords are not always encoded
_SECRET: Final = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&#]*", re.IGNORECASE)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def explain(error: ParlourError) -> None:
    """An error as two lines: what is wrong, and what to do."""
    err.print(f"[bold red]error[/]: {escape(error.message)}")
    err.print(f"  [dim]→[/] {escape(error.hint)}")


def public_url(spec: str) -> str:
    """A spec that may be shown: without the passwords in it."""
    shown = _USER.sub(lambda user: f"//{_without_password(user[1])}@", spec)
    return _SECRET.sub(r"\1***", shown)


def _without_password(user: str) -> str:
    name, colon, _ = user.partition(":")
    return f"{name}:***" if colon else name


def may_ask() -> bool:
    """Whether somebody is there to answer a question."""
    return sys.stdin.isatty() and err.is_terminal


async def patiently(doing: str, work: Coroutine[object, object, T]) -> T:
    """Waits for ``work``, and after a second says what is being done: a spinner, or a plain line."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=1)
    if not task.done():
        if err.is_terminal:
            with err.status(escape(doing)):
                await asyncio.wait({task})
        else:
            err.print(escape(f"{doing} …"), soft_wrap=True)
    return await task


def load_settings(**given: object) -> Settings:
    """The settings with what was given on the command line; ``ConfigurationError`` if one is wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(step) for step in first["loc"])
        raise ConfigurationError(f"The setting {name} is wrong: {first['msg']}") from None


def default_docs() -> Path:
    """``docs/`` here if there is one, else Parlour's own documentation."""
    here = Path("docs")
    if here.is_dir():
        return here
    package = Path(__file__).resolve().parent.parent
    for own in (package / "docs", package.parent.parent / "docs"):
        if own.is_dir():
            return own
    raise ConfigurationError(
        "There is no docs folder here.", hint="Name the folder of your pages with --docs PATH."
    )


async def index(settings: Settings, docs: Path) -> Knowledge:
    """Indexes the pages, with a progress bar where there is something to wait for."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with _progress() as bar:
        task = bar.add_task("Reading pages", total=None, visible=False)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total > 20)

        return await Knowledge.from_folder(
            docs, index=settings.home / "knowledge.db", base_url=settings.docs_url, progress=told
        )


@contextmanager
def counting() -> Iterator[Callable[[str, int, int | None], None]]:
    """Shows how far something is: bars in a terminal, elsewhere a plain line now and then."""
    if not err.is_terminal:
        yield _Lines()
        return
    with _progress() as bar:
        tasks: dict[str, TaskID] = {}

        def told(doing: str, done: int, total: int | None) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=total)
            bar.update(tasks[doing], completed=done, total=total)

        yield told


class _Lines:
    """A line after a second, and then every ten."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1

    def __call__(self, doing: str, done: int, total: int | None) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10
            err.print(escape(f"{doing}: {done}" + (f" of {total}" if total else "")))


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield bar
