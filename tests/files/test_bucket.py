"""What only a bucket has: how it is named, what it says when it fails, and that nothing piles up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from parlour.app import create_app
from parlour.errors import ConfigurationError, MissingExtra, Unavailable
from parlour.files import FILES
from parlour.files.bucket import BucketFiles
from parlour.files.contract import chunks, content
from parlour.protocol import new_id
from parlour.settings import Settings
from tests.http.pictures import PNG
from tests.http.uploading import announce, direct, put_raw
from tests.servers.answerers import Scripted
from tests.servers.client import Visitor
from tests.servers.serving import serving
from tests.services.running import free_port
from tests.services.s3 import S3

SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "spec",
    ["s3://bucket", "s3://bucket/a/b?region=eu-west-1", "gs://bucket/a", "az://box/a?account=us"],
)
def test_a_bucket_of_any_cloud_is_opened_without_the_network(
    spec: str, no_credentials: None
) -> None:
    FILES.load(spec).from_spec(spec)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("s3:bucket", "no bucket"),
        ("s3:///prefix", "no bucket"),
        ("s3://bucket?regoin=x", "'regoin'"),
        ("gs://bucket?region=x", "'region'"),
        ("az://box", "Account must be specified"),
        (f"s3://key:{SECRET}@bucket", "holds credentials"),
    ],
)
def test_a_spec_that_cannot_be_right_is_refused_at_once(
    spec: str, said: str, no_credentials: None
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        FILES.load(spec).from_spec(spec)
    assert said in refused.value.message
    assert SECRET not in str(refused.value.body())


def test_credentials_that_cannot_be_read_are_told_at_once(
    no_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(ConfigurationError, match="No such file"):
        BucketFiles.from_spec("gs://bucket")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", SECRET)
    with pytest.raises(ConfigurationError) as refused:
        BucketFiles.from_spec("az://box?account=us")
    assert SECRET not in str(refused.value.body())


@pytest.mark.parametrize("name", ["s3", "gs", "az"])
def test_a_missing_package_is_named_with_its_extra(name: str) -> None:
    code = f"""
import sys
sys.modules["obstore"] = None
from parlour.files import FILES
FILES.load("{name}://bucket")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert MissingExtra.__name__ in run.stderr
    assert f"files '{name}' needs a package" in run.stderr


async def test_credentials_that_are_refused_say_so_and_are_not_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    files = BucketFiles.from_spec(bucket)
    with pytest.raises(Unavailable) as refused:
        await files.save(new_id("attachment"), chunks([b"x"]))
    assert "refuses our credentials: 403 Forbidden" in refused.value.message
    with pytest.raises(Unavailable):
        await files.size(new_id("attachment"))
    for secret in (SECRET, os.environ["AWS_ACCESS_KEY_ID"], "127.0.0.1"):
        assert secret not in str(refused.value.body())


async def test_a_bucket_that_is_not_there_says_so(s3: S3, bucket: str) -> None:
    files = BucketFiles.from_spec(bucket.replace("s3://thr", "s3://other"))
    with pytest.raises(Unavailable, match="does not exist"):
        await files.save(new_id("attachment"), chunks([b"x"]))


async def test_a_server_that_is_not_there_says_so_in_time(credentials: None) -> None:
    files = BucketFiles.from_spec(f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}")
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable, match="no connection"):
            await files.save(new_id("attachment"), chunks([b"x"]))


async def endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece
        await asyncio.sleep(0)


@pytest.mark.skipif("PARLOUR_TEST_S3" in os.environ, reason="looks into the server's own folder")
async def test_no_half_of_an_upload_stays_in_the_bucket(s3: S3, bucket: str) -> None:
    """An upload in parts that nobody ends is invisible, and is paid for until somebody looks."""
    files = BucketFiles.from_spec(bucket)
    whole, key = 20_000_000, new_id("attachment")
    for moment in (0, 0.05, 0.15, 0.3, 0.5):
        saving = asyncio.create_task(files.save(key, chunks([b"x" * 1_000_000] * 20)))
        await asyncio.sleep(moment)
        saving.cancel()
        await asyncio.wait([saving])
    for _ in range(2):
        broken = asyncio.create_task(files.save(new_id("attachment"), endless(b"x" * 1_000_000)))
        await asyncio.sleep(0.1)
        broken.cancel()
        await asyncio.wait([broken])
    # What was sent already when it was cancelled goes on to its end.
    if sending := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(sending)
    assert await files.size(key) in (None, whole)
    folder = next(path for path in s3.buckets.iterdir() if path.name in bucket)
    parts = [path for path in (folder / ".sgwtmp").rglob("*") if path.is_file()]
    assert parts == []


_READER = """
import asyncio, resource, sys
from parlour.files.bucket import BucketFiles
from parlour.protocol import new_id

async def many(megabytes):
    for _ in range(megabytes):
        yield b"x" * 1_000_000

async def there_and_back(files, megabytes):
    key, size = new_id("attachment"), 0
    assert await files.save(key, many(megabytes)) == megabytes * 1_000_000
    async for piece in files.load(key):
        size += len(piece)
    assert size == megabytes * 1_000_000

async def main():
    files = BucketFiles.from_spec(sys.argv[1])
    await there_and_back(files, 25)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await there_and_back(files, 150)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main())
"""


def test_large_files_go_up_and_down_in_little_memory(bucket: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _READER, bucket], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 30_000  # KB, for 125 MB more


async def test_a_reader_keeps_the_object_it_began_with(bucket: str) -> None:
    files, key = BucketFiles.from_spec(bucket), new_id("attachment")
    await files.save(key, chunks([b"a" * 6_000_000]))
    reader = files.load(key)
    first = await anext(reader)
    await files.save(key, chunks([b"b" * 6_000_000]))
    with pytest.raises(Unavailable):  # better than the halves of two
        [piece async for piece in reader]
    assert first == b"a" * len(first)
    assert await content(files, key) == b"b" * 6_000_000


def test_a_server_keeps_its_attachments_in_a_bucket(tmp_path: Path, bucket: str) -> None:
    app = create_app(Settings(home=tmp_path, files=bucket), answerer=Scripted())
    with serving(app) as url:
        visitor = Visitor(url)
        announced = announce(visitor, len(PNG), "image/png")
        assert put_raw(visitor, announced, PNG).status_code == 200
        for made in (announced, direct(visitor, PNG, "image/png").json()):
            assert visitor.http.get(f"/files/{made['id']}").content == PNG
            assert httpx.get(made["preview_url"]).headers["content-type"] == "image/webp"
            visitor.json("attachments.delete", attachment_id=made["id"])
            assert httpx.get(made["preview_url"]).status_code == 404
        visitor.close()
    assert not (tmp_path / "files").exists()


@pytest.mark.skipif("PARLOUR_TEST_S3" in os.environ, reason="stops the server")
async def test_a_server_that_goes_away_and_comes_back_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3(tmp_path)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    await asyncio.to_thread(s3.start)
    try:
        files, key = BucketFiles.from_spec(s3.new_bucket("bucket")), new_id("attachment")
        await files.save(key, chunks([b"kept"]))
        await asyncio.to_thread(s3.stop)
        with pytest.raises(Unavailable):
            await content(files, key)
        await asyncio.to_thread(s3.start)
        assert await content(files, key) == b"kept"
    finally:
        s3.kill()
