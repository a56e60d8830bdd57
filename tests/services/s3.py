"""An S3 server: versitygw, which keeps its objects in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from tests.services.running import Process, free_port, listens, program

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "parlour-tests",
    "AWS_SECRET_ACCESS_KEY": "a-secret-for-tests-only",
    "AWS_REGION": "us-east-1",
}
"""What a client of it has in its environment, as with the real one."""


class S3(Process):
    """``PARLOUR_TEST_S3`` names a bucket of one that runs already, which is ours to fill.

    That is a whole spec, ``s3://bucket?endpoint=…``, whose credentials are in the environment.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.buckets = folder / "buckets"
        self.given = os.environ.get("PARLOUR_TEST_S3")
        # Metadata in files of its own, because not every file system has extended attributes.
        sidecar = folder / "metadata"
        for each in (self.buckets, sidecar):
            each.mkdir()
        command = ["versitygw", "--port", f"127.0.0.1:{self.port}", "--quiet"]
        command += ["posix", "--sidecar", str(sidecar), str(self.buckets)]
        super().__init__(
            command,
            listens(self.port),
            log=folder / "log",
            env={
                "ROOT_ACCESS_KEY_ID": ENVIRONMENT["AWS_ACCESS_KEY_ID"],
                "ROOT_SECRET_ACCESS_KEY": ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            },
        )

    def start(self) -> None:
        if self.given:
            return
        go = Path(os.environ.get("GOBIN") or Path.home() / "go" / "bin") / "versitygw"
        self.command[0] = str(go) if go.exists() else program("versitygw")
        super().start()

    @property
    def environment(self) -> dict[str, str]:
        """The credentials to use."""
        return {} if self.given else ENVIRONMENT

    def new_bucket(self, name: str, prefix: str = "") -> str:
        """The spec of an empty bucket, or of an empty prefix in one that was given."""
        if self.given:
            bucket, _, query = self.given.partition("?")
            return f"{bucket}/{name}{prefix}?{query}"
        (self.buckets / name).mkdir()
        endpoint = quote(f"http://127.0.0.1:{self.port}", safe="")
        return f"s3://{name}{prefix}?region=us-east-1&endpoint={endpoint}"
