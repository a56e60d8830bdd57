"""The index of a folder's passages: an SQLite file that is derived and can always be made again."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from parlour.errors import ConfigurationError
from parlour.knowledge.base import Block, IndexReport
from parlour.knowledge.document import Document
from parlour.knowledge.load import Listing, SourceFile, list_files, read_document
from parlour.knowledge.split import Part, split
from parlour.knowledge.words import stems

Progress = Callable[[int, int], None]

_VERSION: Final = "5"
# Weights of the columns: a heading says most about a passage, then the page's title and path.
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (
  name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, page TEXT NOT NULL, title TEXT NOT NULL,
  problem TEXT NOT NULL);
CREATE TABLE passages (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL, anchor TEXT NOT NULL, headings TEXT NOT NULL,
  blocks TEXT NOT NULL);
CREATE INDEX passages_file ON passages (file);
CREATE VIRTUAL TABLE words USING fts5 (title, headings, body, path);
INSERT INTO words (words, rank) VALUES ('rank', 'bm25(3.0, 4.0, 1.0, 2.0)');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
"""


def build_index(root: Path, index: Path, progress: Progress | None = None) -> IndexReport:
    """Brings the index file up to date with the folder and says what is in it.

    Only new and changed files are read. The file is replaced in one step, so that another process
    sees the old index or the new one; a file that is damaged or of another folder is made anew.
    """
    began = time.perf_counter()
    listing = list_files(root)
    folder = str(root.resolve())
    known = _known_files(index, folder)
    if known is None or known != {file.name: file.fingerprint for file in listing.files}:
        try:
            _rebuild(index, folder, listing, known or {}, progress)
        except (OSError, sqlite3.Error) as failure:
            raise ConfigurationError(
                f"The index of pages cannot be written to {index}: {failure}.",
                hint="Free some space, or set PARLOUR_HOME to a folder that can be written.",
            ) from failure
    with closing(open_index(index)) as connection:
        problems = connection.execute("SELECT problem FROM files WHERE problem <> '' ORDER BY name")
        skipped = (*listing.skipped, *(problem for (problem,) in problems))
        (passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()
        (files,) = connection.execute("SELECT count(*) FROM files WHERE problem = ''").fetchone()
    return IndexReport(files, passages, time.perf_counter() - began, skipped)


def open_index(index: Path) -> sqlite3.Connection:
    """A connection for reading; it may be used by one thread at a time."""
    address = f"{index.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, check_same_thread=False)


def _known_files(index: Path, folder: str) -> dict[str, str] | None:
    """The fingerprints in the index, or None where it is missing, damaged or of another folder."""
    if not index.is_file():
        return None
    try:
        with closing(open_index(index)) as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            if meta != {"version": _VERSION, "folder": folder}:
                return None
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return None
            return dict(connection.execute("SELECT name, fingerprint FROM files"))
    except sqlite3.Error:
        return None


def _rebuild(
    index: Path, folder: str, listing: Listing, known: dict[str, str], progress: Progress | None
) -> None:
    index.parent.mkdir(parents=True, exist_ok=True)
    fresh = index.with_name(f"{index.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
            # The file appears under its name only when complete, so it needs no journal of its own.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            if known:
                with closing(open_index(index)) as old:
                    old.backup(connection)
            else:
                connection.executescript(_SCHEMA)
                meta = {"version": _VERSION, "folder": folder}
                connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            connection.execute("BEGIN")
            _update(connection, listing.files, known, progress)
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            connection.execute("COMMIT")
        os.replace(fresh, index)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _update(
    connection: sqlite3.Connection,
    files: Sequence[SourceFile],
    known: dict[str, str],
    progress: Progress | None,
) -> None:
    changed = [file for file in files if known.get(file.name) != file.fingerprint]
    gone = known.keys() - {file.name for file in files}
    _forget(connection, [*gone, *(file.name for file in changed if file.name in known)])
    for done, file in enumerate(changed):
        if progress:
            progress(done, len(changed))
        _add(connection, file)
    if progress and changed:
        progress(len(changed), len(changed))


def _forget(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    for name in names:
        connection.execute(
            "DELETE FROM words WHERE rowid IN (SELECT id FROM passages WHERE file = ?)", (name,)
        )
        connection.execute("DELETE FROM passages WHERE file = ?", (name,))
        connection.execute("DELETE FROM files WHERE name = ?", (name,))


def _add(connection: sqlite3.Connection, file: SourceFile) -> None:
    document, problem = Document("", []), ""
    try:
        document = read_document(file)
    except (OSError, ValueError, RecursionError) as failure:
        problem = f"{file.name}: cannot be read ({type(failure).__name__})"
    for part in split(document):
        _add_part(connection, file, part)
    connection.execute(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
        (file.name, file.fingerprint, file.page, document.title, problem),
    )


def _add_part(connection: sqlite3.Connection, file: SourceFile, part: Part) -> None:
    blocks = json.dumps([asdict(block) for block in part.blocks], ensure_ascii=False)
    headings = json.dumps(part.headings, ensure_ascii=False)
    inserted = connection.execute(
        "INSERT INTO passages (file, anchor, headings, blocks) VALUES (?, ?, ?, ?)",
        (file.name, part.anchor, headings, blocks),
    )
    columns = (
        part.headings[0],
        " ".join(part.headings[1:]),
        "\n".join(f"{block.marker} {block.text}" for block in part.blocks),
        file.page,
    )
    connection.execute(
        "INSERT INTO words (rowid, title, headings, body, path) VALUES (?, ?, ?, ?, ?)",
        (inserted.lastrowid, *(" ".join(stems(column)) for column in columns)),
    )


def load_blocks(text: str) -> tuple[Block, ...]:
    """A passage's blocks as the index keeps them."""
    return tuple(Block(**block) for block in json.loads(text))
