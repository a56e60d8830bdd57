"""The bytes of attachments."""

from parlour.files.base import Files
from parlour.registry import Table

FILES: Table[Files] = Table("files", {"local": "parlour.files.local:LocalFiles"})

__all__ = ["FILES"]
