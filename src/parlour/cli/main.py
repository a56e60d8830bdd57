"""Puts the commands together; each is imported when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from parlour import __version__
from parlour.errors import ParlourError

app = typer.Typer(
    name="parlour",
    help="The open, self-hosted ChatKit: a chat for your site that answers from its own pages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Docs = Annotated[
    Path | None,
    typer.Option("--docs", help="Folder of pages to answer from: Markdown, MDX, HTML, text."),
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"parlour {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """The open, self-hosted ChatKit."""


@app.command()
def dev(
    docs: Docs = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Show a folder of pages as a small site with the chat on it. No key, no set-up."""
    from parlour.cli.dev import run

    run(docs=docs, host=host, port=port)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    docs: Docs = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Answer one question in the terminal, with its sources."""
    from parlour.cli.ask import run

    run(question, docs=docs, as_json=json)


@app.command()
def serve(
    server: Annotated[
        str | None, typer.Argument(help="An official ChatKitServer to host: module:object.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
) -> None:
    """Serve the chat in production: settings from the environment, no demo site."""
    from parlour.cli.serve import run

    run(server, host=host, port=port, workers=workers)


db = typer.Typer(
    help="Look at the database's schema, upgrade it, or take an upgrade back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(db, name="db")


@db.command("status")
def db_status(
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Say which schema the database has; exit with 0 if it is the newest, else with 1."""
    from parlour.cli.db import status

    status(as_json=json)


@db.command("upgrade")
def db_upgrade(
    revision: Annotated[str | None, typer.Argument(help="The newest when not given.")] = None,
) -> None:
    """Bring the schema up to date; an empty database gets its tables."""
    from parlour.cli.db import upgrade

    upgrade(revision)


@db.command("downgrade")
def db_downgrade(
    revision: Annotated[str, typer.Argument(help='Such as 0001; "base" removes everything.')],
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Take revisions back, and with them what only they can hold."""
    from parlour.cli.db import downgrade

    downgrade(revision, yes=yes)


def main() -> None:
    """The entry point: every failure is one line and its next step, never a stack trace."""
    try:
        app()
    except ParlourError as error:
        from parlour.cli.terminal import explain

        explain(error)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
