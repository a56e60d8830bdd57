"""Every place for attachment bytes in the table keeps the contract, and never blocks the loop.

Google Cloud and Azure go through the code that is tested here on S3; what differs is how they are
opened, and that is in test_bucket.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from parlour.files import FILES
from parlour.files.contract import FilesContract, OpenFiles


class TestEveryPlace(FilesContract):
    @pytest.fixture(params=sorted(FILES.keys() - {"gs", "az"}))
    def open_files(self, request: pytest.FixtureRequest, tmp_path: Path) -> OpenFiles:
        spec = f"local:{tmp_path / 'files'}"
        if request.param != "local":
            spec = request.getfixturevalue("bucket")
        files = FILES.load(spec)
        return lambda: files.from_spec(spec)

    @pytest.fixture(autouse=True)
    def nothing_blocks(self, open_files: OpenFiles) -> Iterator[None]:
        with blockbuster_ctx():
            yield
