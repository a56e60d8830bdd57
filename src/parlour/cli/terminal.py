"""What the commands print with; NO_COLOR and missing terminals are rich's business."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from parlour.errors import ConfigurationError, ParlourError
from parlour.knowledge import Knowledge
from parlour.settings import Settings

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def explain(error: ParlourError) -> None:
    """An error as two lines: what is wrong, and what to do."""
    err.print(f"[bold red]error[/]: {escape(error.message)}")
    err.print(f"  [dim]→[/] {escape(error.hint)}")


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
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield bar
