"""What every way of recognising a caller promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from parlour.context import Caller

COOKIE: Final = "parlour_guest"
"""The cookie that carries the token of a client that sends no bearer."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a request brought along; header names are lower case."""

    bearer: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """A fresh token, whom it stands for, and when it ends (aware UTC)."""

    caller: Caller
    token: str
    expires_at: datetime


class Identity(ABC):
    """Turns credentials into a caller."""

    @classmethod
    @abstractmethod
    def from_spec(cls, rest: str, *, secret: str) -> Identity:
        """Opens it from the part of the spec after the name; ``secret`` signs what it issues."""

    @abstractmethod
    async def identify(self, credentials: Credentials) -> Caller | None:
        """The caller, or None when these credentials are not of this kind.

        Raises ``Unauthorized`` for credentials of this kind that are forged or expired.
        The same valid credentials always give the same owner; two callers never share one.
        """

    async def issue(self) -> Grant | None:
        """Credentials for somebody new, or None where callers come from elsewhere."""
        return None
