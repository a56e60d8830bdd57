"""Who is asking: a request's credentials become a ``Caller``."""

from parlour.identity.base import Identity
from parlour.registry import Table

IDENTITY: Table[Identity] = Table("identity", {"guest": "parlour.identity.guest:GuestIdentity"})

__all__ = ["IDENTITY"]
