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


archive = typer.Typer(
    help="Move conversations that nobody has used for long into compressed files, and back.",
    rich_markup_mode=None,
)
app.add_typer(archive, name="archive")

_JSON = typer.Option("--json", help="One JSON object, for machines.")


@archive.callback(invoke_without_command=True)
def archive_old(
    context: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Unused for so long: 180d, 12w, 36h or 1y.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Folder for the files; .parlour/archive if not given."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many there are.")
    ] = False,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Move conversations that nobody has used for long into compressed files, and back."""
    if context.invoked_subcommand is not None:
        return
    from parlour.cli.archive import run

    run(older_than, to, dry_run=dry_run, as_json=json)


@archive.command("restore")
def archive_restore(
    file: Annotated[Path, typer.Argument(help="An archive, as parlour archive list names it.")],
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Put the conversations of an archive back into the database."""
    from parlour.cli.archive import run_restore

    run_restore(file, as_json=json)


@archive.command("list")
def archive_list(
    folder: Annotated[
        Path | None, typer.Argument(help="Where the archives are; .parlour/archive if not given.")
    ] = None,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Show the archives: when each was made, what is in it, how large it is."""
    from parlour.cli.archive import run_list

    run_list(folder, as_json=json)


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
