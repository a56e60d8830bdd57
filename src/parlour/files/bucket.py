"""Attachment bytes in a bucket of S3 (or whatever speaks its protocol), Google Cloud or Azure."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from parlour.errors import AttachmentNotFound, ConfigurationError, Unavailable
from parlour.files.base import Files, path_of, preview_of

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import AzureConfig, ClientConfig, RetryConfig, S3Config

Bucket = S3Store | GCSStore | AzureStore

_PIECE: Final = 256 * 1024
_RANGE: Final = 4 * 1024 * 1024
"""Read at once: what a slow reader makes us hold, so that no request waits for one."""
_PART: Final = 8 * 1024 * 1024
"""Up to here one request carries all the bytes; larger ones go up in parts of this size."""
_IN_MEMORY: Final = 1024 * 1024

_CLIENT: Final[ClientConfig] = {"connect_timeout": "5s", "timeout": "60s"}
_RETRY: Final[RetryConfig] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_OPTIONS: Final = {"s3": ("region", "endpoint"), "gs": (), "az": ("account", "endpoint")}
_STATUS: Final = re.compile(r"status code: (\d{3}(?: [A-Z][A-Za-z ]*)?)")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")


class BucketFiles(Files):
    """Keeps each attachment as an object named after its id, below the spec's prefix.

    ``s3://bucket/prefix?region=…&endpoint=…``, ``gs://bucket/prefix`` or
    ``az://container/prefix?account=…``. Credentials come from the environment, under the names that
    the clouds' own tools use. An object is there only when all its bytes are.
    """

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket = bucket
        self._name = name

    @classmethod
    def from_spec(cls, spec: str) -> BucketFiles:
        url = urlsplit(spec)
        if "@" in spec:
            raise ConfigurationError(
                "PARLOUR_FILES holds credentials.",
                hint="Set them in the environment; docs/attachments.md has the names.",
            )
        if not url.netloc:
            raise ConfigurationError(
                "PARLOUR_FILES names no bucket.", hint=f"Write {url.scheme}://bucket/prefix."
            )
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        if unknown := sorted(options.keys() - set(_OPTIONS[url.scheme])):
            known = ", ".join(_OPTIONS[url.scheme]) or "none"
            raise ConfigurationError(
                f"PARLOUR_FILES has no option {unknown[0]!r} for {url.scheme}.",
                hint=f"Known are: {known}.",
            )
        try:
            bucket = _open(url.scheme, url.netloc, url.path.strip("/") or None, options)
        except (BaseError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigurationError(
                f"{url.scheme}://{url.netloc} cannot be used: {reason}",
                hint="Set the credentials in the environment; docs/attachments.md has the names.",
            ) from error
        return cls(bucket, f"{url.scheme}://{url.netloc}")

    async def save(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        path = path_of(key)
        file: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        try:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
            size = file.tell()
        except BaseException:
            file.close()
            raise
        # Only now, and not to be cancelled: an upload in parts that is given up half-way stays in
        # the bucket, invisible and paid for.
        sending = asyncio.create_task(self._send(path, file))
        sending.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(sending)
        return size

    async def size(self, key: str) -> int | None:
        path = path_of(key)
        try:
            with self._told():
                return (await obstore.head_async(self._bucket, path))["size"]
        except AttachmentNotFound:
            return None

    async def load(self, key: str) -> AsyncIterator[bytes]:
        path = path_of(key)
        with self._told():
            about = await obstore.head_async(self._bucket, path)
        for start in range(0, about["size"], _RANGE):
            end = min(start + _RANGE, about["size"])
            # The same object to its end, though another may take its place meanwhile.
            same: GetOptions = {"range": (start, end), "if_match": about["e_tag"]}
            with self._told():
                found = await obstore.get_async(self._bucket, path, options=same)
                data = memoryview(await found.bytes_async())
            for at in range(0, len(data), _PIECE):
                yield bytes(data[at : at + _PIECE])

    async def delete(self, attachment_id: str) -> None:
        for key in (attachment_id, preview_of(attachment_id)):
            with suppress(AttachmentNotFound):
                path = path_of(key)
                with self._told():
                    await obstore.delete_async(self._bucket, path)

    async def _send(self, path: str, file: IO[bytes]) -> None:
        with file:
            file.seek(0)
            try:
                with self._told():
                    await obstore.put_async(
                        self._bucket, path, file, chunk_size=_PART, max_concurrency=2
                    )
            except AttachmentNotFound as missing:
                raise Unavailable(
                    f"{self._name} does not exist.",
                    hint="Make the bucket, or correct PARLOUR_FILES.",
                ) from missing

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says what is wrong in our own words: the driver's quote addresses, keys and signatures."""
        try:
            yield
        except FileNotFoundError:
            raise AttachmentNotFound("The bytes of this attachment are not here.") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise Unavailable(
                f"{self._name} refuses our credentials{_reason(error)}.",
                hint="Check the credentials in the environment, and what they allow.",
            ) from error
        except (BaseError, OSError) as error:
            raise Unavailable(
                f"{self._name} cannot be used{_reason(error)}.",
                hint="Check PARLOUR_FILES, the network and the credentials; then try again.",
            ) from error


def _open(scheme: str, name: str, prefix: str | None, options: dict[str, str]) -> Bucket:
    if scheme == "gs":
        return GCSStore(name, prefix=prefix, client_options=_CLIENT, retry_config=_RETRY)
    endpoint = options.get("endpoint") or next(
        (os.environ[each] for each in _ENDPOINTS if scheme == "s3" and each in os.environ), ""
    )
    client: ClientConfig = {**_CLIENT, "allow_http": endpoint.startswith("http://")}
    if scheme == "az":
        azure: AzureConfig = {}
        if "account" in options:
            azure["account_name"] = options["account"]
        if endpoint:
            azure["endpoint"] = endpoint
        return AzureStore(
            name, prefix=prefix, config=azure, client_options=client, retry_config=_RETRY
        )
    amazon: S3Config = {}
    if "region" in options:
        amazon["region"] = options["region"]
    if endpoint:
        amazon["endpoint"] = endpoint
    return S3Store(name, prefix=prefix, config=amazon, client_options=client, retry_config=_RETRY)


def _reason(error: Exception) -> str:
    """What the place itself has said, as far as it names no secret: a status and its code."""
    said = " ".join(
        found[1] for pattern in (_STATUS, _CODE) if (found := pattern.search(str(error)))
    )
    if said:
        return f": {said}"
    return ": no connection" if "error sending request" in str(error) else ""
