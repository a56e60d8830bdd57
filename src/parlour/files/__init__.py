"""The bytes of attachments."""

from parlour.files.base import Files
from parlour.registry import Table

FILES: Table[Files] = Table(
    "files",
    {
        "local": "parlour.files.local:LocalFiles",
        "s3": "parlour.files.bucket:BucketFiles",
        "gs": "parlour.files.bucket:BucketFiles",
        "az": "parlour.files.bucket:BucketFiles",
    },
)

__all__ = ["FILES"]
