"""Knowledge: a folder of pages that can be asked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from parlour.errors import Unavailable
from parlour.knowledge.base import Hit, IndexReport
from parlour.knowledge.index import Progress, build_index, open_index
from parlour.knowledge.query import build_query, is_follow_up
from parlour.knowledge.search import Findings, Searcher

T = TypeVar("T")


class Knowledge:
    """Passages of a folder's pages, searched on a thread of their own, never on the event loop."""

    report: IndexReport
    """What the indexing run found when this was opened."""

    def __init__(
        self,
        report: IndexReport,
        searcher: Searcher,
        connection: sqlite3.Connection,
        worker: ThreadPoolExecutor,
    ) -> None:
        self.report = report
        self._searcher = searcher
        self._connection = connection
        self._worker = worker

    @classmethod
    async def from_folder(
        cls, path: Path, *, index: Path, base_url: str = "", progress: Progress | None = None
    ) -> Knowledge:
        """Opens the folder's pages, indexing what is new or changed into the file ``index``.

        ``base_url`` is put before every page's path; ``progress`` is called on the event loop with
        how many of how many changed files are done. ``ConfigurationError`` when the folder is not
        there or the index cannot be written.
        """
        loop = asyncio.get_running_loop()

        def told(done: int, total: int) -> None:
            if progress:
                loop.call_soon_threadsafe(progress, done, total)

        def load() -> tuple[IndexReport, sqlite3.Connection, Searcher]:
            report = build_index(path, index, told)
            connection = open_index(index)
            return report, connection, Searcher(connection, base_url)

        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="knowledge")
        try:
            report, connection, searcher = await loop.run_in_executor(worker, load)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(report, searcher, connection, worker)

    async def search(
        self,
        query: str,
        *,
        limit: int = 6,
        context: Sequence[str] = (),
        page: str | None = None,
        quote: str | None = None,
    ) -> list[Hit]:
        """The passages that say most about a question, best first.

        ``context`` holds the visitor's earlier questions, oldest first, for questions that lean on
        them; ``page`` is the address they are on; ``quote`` is text they selected.
        """
        found = await self.find(query, limit=limit, context=context, page=page, quote=quote)
        return found.hits

    async def find(
        self,
        query: str,
        *,
        limit: int = 6,
        context: Sequence[str] = (),
        page: str | None = None,
        quote: str | None = None,
    ) -> Findings:
        """As ``search``, with the terms the passages were judged by."""
        terms = build_query(query, context, quote)
        found = await self._run(lambda: self._searcher.search(terms, limit=limit, page=page))
        return replace(found, follows_up=bool(context) and is_follow_up(query))

    async def pages(self) -> list[tuple[str, str]]:
        """Title and address of every page, in the order of their files."""
        return await self._run(self._searcher.pages)

    async def close(self) -> None:
        """Lets go of the index file."""
        await self._run(self._connection.close)
        self._worker.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except sqlite3.DatabaseError as failure:
            raise Unavailable(
                f"The index of pages cannot be read: {failure}.",
                hint="Restart; a damaged index is made again from the pages.",
            ) from failure
