"""What every place for attachment bytes promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator


class Files(ABC):
    """Bytes under an attachment's id; whose they are is the store's business."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: str) -> Files:
        """Opens nothing yet: the whole spec, such as ``local:folder`` or ``s3://bucket``."""

    @abstractmethod
    async def save(self, attachment_id: str, chunks: AsyncIterator[bytes]) -> int:
        """Keeps the bytes, all or none of them, and returns how many there are."""

    @abstractmethod
    async def size(self, attachment_id: str) -> int | None:
        """How many bytes there are, or None when none were saved."""

    @abstractmethod
    def load(self, attachment_id: str) -> AsyncIterator[bytes]:
        """The bytes in pieces; raises ``AttachmentNotFound`` when none were saved."""

    @abstractmethod
    async def delete(self, attachment_id: str) -> None:
        """Removes the bytes if they are there; an id that can have none is no error."""
