"""Every place for attachment bytes in the table keeps the contract, and never blocks the loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from parlour.files import FILES
from parlour.files.contract import FilesContract, OpenFiles


class TestEveryPlace(FilesContract):
    @pytest.fixture(params=sorted(FILES))
    def open_files(self, request: pytest.FixtureRequest, tmp_path: Path) -> OpenFiles:
        files = FILES.load(request.param)
        return lambda: files.from_spec(f"local:{tmp_path / 'files'}")

    @pytest.fixture(autouse=True)
    def nothing_blocks(self, open_files: OpenFiles) -> Iterator[None]:
        with blockbuster_ctx():
            yield
