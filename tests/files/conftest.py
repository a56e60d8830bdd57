"""A real S3 server, started once a session, on demand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parlour.protocol import new_id
from tests.services.s3 import S3


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    service = S3(tmp_path_factory.mktemp("s3"))
    service.start()
    yield service
    service.kill()


@pytest.fixture
def credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The S3 server's, in the environment."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3: S3, credentials: None) -> str:
    """The spec of an empty bucket."""
    return s3.new_bucket(new_id("thread").replace("_", "-"), "/some/prefix")
