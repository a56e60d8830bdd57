"""Finding the pages of a folder and reading them, whatever else lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from parlour.errors import ConfigurationError
from parlour.knowledge.base import Block
from parlour.knowledge.document import Document, Section, clean, name_title, one_line, page_path
from parlour.knowledge.html import read_html
from parlour.knowledge.markdown import read_markdown

MAX_BYTES: Final = 2_000_000
MAX_FILES: Final = 20_000
PAGE_SUFFIXES: Final = (".md", ".mdx", ".markdown", ".html", ".htm", ".txt")
_SKIPPED: Final = """
node_modules bower_components __pycache__ venv dist build _build _site coverage
"""
SKIPPED_FOLDERS: Final = frozenset(_SKIPPED.split())
_NOT_PAGES: Final = frozenset({"robots.txt", "requirements.txt", "llms.txt", "llms-full.txt"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that holds a page: ``name`` is its path in the folder, with slashes."""

    name: str
    path: Path
    fingerprint: str

    @property
    def page(self) -> str:
        return page_path(self.name)


@dataclass(frozen=True, slots=True)
class Listing:
    """The page files of a folder in a stable order, and what was left out and why."""

    files: tuple[SourceFile, ...]
    skipped: tuple[str, ...]


def list_files(root: Path) -> Listing:
    """Every page file below ``root`` and nothing outside it.

    A symbolic link counts when it stays inside; each file is listed once, and each address belongs
    to one file. ``ConfigurationError`` when ``root`` is not a folder that can be read.
    """
    top = root.resolve()
    if not top.is_dir():
        raise ConfigurationError(
            f"There is no folder {root} to read pages from.",
            hint="Give a folder of Markdown, HTML or text files with --docs or PARLOUR_DOCS.",
        )
    skipped: list[str] = []
    owners: dict[str, str] = {}
    files: list[SourceFile] = []
    for name, path in _walk(top, skipped):
        page = page_path(name)
        reason = _unfit(path, name)
        if not reason and page in owners:
            reason = f"has the same address as {owners[page]}"
        if not reason and len(files) >= MAX_FILES:
            reason = f"more than {MAX_FILES:,} files"
        if reason:
            skipped.append(f"{name}: {reason}")
            continue
        owners[page] = name
        stat = path.stat()
        files.append(SourceFile(name, path, f"{stat.st_size}:{stat.st_mtime_ns}"))
    return Listing(tuple(files), tuple(skipped))


def _walk(top: Path, skipped: list[str]) -> Iterator[tuple[str, Path]]:
    seen: set[Path] = {top}
    folders = [(PurePosixPath(), top)]
    while folders:
        relative, folder = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=_page_order)
        except OSError as failure:
            skipped.append(f"{relative}/: {failure.strerror or 'cannot be read'}")
            continue
        below: list[tuple[PurePosixPath, Path]] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = relative / entry.name
            path = Path(os.path.realpath(entry.path) if entry.is_symlink() else entry.path)
            if entry.is_symlink() and (not path.exists() or not path.is_relative_to(top)):
                skipped.append(f"{name}: a link that leads out of the folder or nowhere")
            elif path in seen:
                continue
            elif path.is_dir():
                seen.add(path)
                if entry.name in SKIPPED_FOLDERS:
                    skipped.append(f"{name}/: packages or build output")
                else:
                    below.append((name, path))
            elif path.suffix.lower() in PAGE_SUFFIXES and entry.name not in _NOT_PAGES:
                seen.add(path)
                yield name.as_posix(), path
        folders.extend(reversed(below))


def _page_order(entry: os.DirEntry[str]) -> tuple[bool, str, int, str]:
    stem, suffix = os.path.splitext(entry.name)
    # Where two files claim one address, Markdown wins over HTML over text, index over README.
    rank = PAGE_SUFFIXES.index(suffix.lower()) if suffix.lower() in PAGE_SUFFIXES else 9
    return (
        entry.is_symlink(),
        "index" if stem.lower() == "readme" else stem.lower(),
        rank,
        entry.name,
    )


def _unfit(path: Path, name: str) -> str:
    if PurePosixPath(name).name.startswith("_"):
        return "a part of other pages, by its leading underscore"
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return f"larger than {MAX_BYTES // 1_000_000} MB"
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as failure:
        return failure.strerror or "cannot be read"
    if not start.strip():
        return "empty"
    if b"\x00" in start and start[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return "not text"
    return ""


def read_text(path: Path) -> str:
    """The text of a file, bytes that are no text replaced."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def read_document(file: SourceFile) -> Document:
    """The page in a file, by the file's kind."""
    text = read_text(file.path)
    if file.name.lower().endswith((".md", ".mdx", ".markdown")):
        return read_markdown(text, file.name)[0]
    if file.name.lower().endswith((".html", ".htm")):
        return read_html(text, file.name)[0]
    return _read_plain(text, file.name)


def _read_plain(text: str, file: str) -> Document:
    paragraphs = [one_line(part.replace("`", "'")) for part in clean(text).split("\n\n")]
    blocks = [Block("text", part) for part in paragraphs if part]
    return Document(name_title(file), [Section(0, "", "", blocks)])
