"""What every place for attachment bytes promises."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from parlour.errors import AttachmentNotFound

_KEY: Final = re.compile(r"atc_([0-9a-f]{2})[0-9a-f]{30}(?:\.preview)?")


def preview_of(attachment_id: str) -> str:
    """The key of an attachment's preview, which is kept beside its bytes and deleted with them."""
    return f"{attachment_id}.preview"


def path_of(key: str) -> str:
    """Where a key's bytes lie, such as ``ab/atc_ab…``; ``AttachmentNotFound`` for any other text."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise AttachmentNotFound("That is not the id of an attachment.")
    return f"{found[1]}/{key}"


class Files(ABC):
    """Bytes under a key: an attachment's id, or ``preview_of`` it.

    Whose they are is the store's business. A key that can have no bytes raises
    ``AttachmentNotFound``; a place that cannot be used raises ``Unavailable``.
    """

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: str) -> Files:
        """Opens nothing yet: the whole spec, such as ``local:folder`` or ``s3://bucket``."""

    @abstractmethod
    async def save(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Keeps the bytes, all or none of them, and returns how many there are.

        When it returns, they are as durable as the place can make them.
        """

    @abstractmethod
    async def size(self, key: str) -> int | None:
        """How many bytes there are, or None when none were saved."""

    @abstractmethod
    def load(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces; raises ``AttachmentNotFound`` when none were saved."""

    @abstractmethod
    async def delete(self, attachment_id: str) -> None:
        """Removes an attachment's bytes and its preview, if they are there.

        An id that can have none is no error.
        """

    async def tidy(self, before: datetime) -> None:
        """Removes what saves that were cut off before that time have left, where anything is."""
        return None
