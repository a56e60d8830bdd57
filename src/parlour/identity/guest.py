"""Guests: people nobody has to know, recognised by a signed token they keep."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from itsdangerous import BadSignature, TimestampSigner

from parlour.context import Caller
from parlour.errors import ConfigurationError, Unauthorized
from parlour.identity.base import COOKIE, Credentials, Grant, Identity

_PREFIX: Final = "guest_"
_TOKEN: Final = re.compile(r"guest_[0-9a-f]{32}\.[A-Za-z0-9_-]{1,16}\.[A-Za-z0-9_-]{43}")
_LEAST_SECRET: Final = 16
_MOST_DAYS: Final = 36_500


class GuestIdentity(Identity):
    """Issues and recognises tokens ``guest_<128 random bits>.<time of issue>.<signature>``.

    A bearer token with our prefix that is forged or expired raises ``Unauthorized``; any other
    bearer is left to other identities, and then the cookie is not looked at either. A forged or
    expired cookie is None, so that whoever carries it simply becomes a new guest.

    ``secret`` may hold several secrets separated by spaces or commas, the newest first: it signs,
    and all of them are recognised.
    """

    def __init__(self, secret: str, days: int = 180) -> None:
        known = secret.replace(",", " ").split()
        if not known or min(map(len, known)) < _LEAST_SECRET:
            raise ConfigurationError(
                f"The secret that signs guest tokens is shorter than {_LEAST_SECRET} characters.",
                hint="Set PARLOUR_SECRET to a long random value without spaces or commas "
                "(or several such values, the newest first), or leave it unset to have one made.",
            )
        if not 1 <= days <= _MOST_DAYS:
            raise ConfigurationError(
                f"A guest token cannot be valid for {days} days.",
                hint=f"Choose a number from 1 to {_MOST_DAYS}, such as PARLOUR_IDENTITY=guest:30.",
            )
        self._signer = TimestampSigner(
            known[::-1], salt="parlour.guest", key_derivation="hmac", digest_method=sha256
        )
        self._lifetime = timedelta(days=days)

    @classmethod
    def from_spec(cls, rest: str, *, secret: str) -> GuestIdentity:
        """``rest`` is empty, or for how many days a token is valid, as in ``guest:30``."""
        if not rest:
            return cls(secret)
        if not re.fullmatch("[0-9]{1,9}", rest):
            raise ConfigurationError(
                f"Guests cannot be configured by {rest!r}.",
                hint="Set PARLOUR_IDENTITY=guest, or guest:<days> such as guest:30.",
            )
        return cls(secret, int(rest))

    async def identify(self, credentials: Credentials) -> Caller | None:
        if credentials.bearer is None:
            return self._caller(credentials.cookies.get(COOKIE, ""))
        if not credentials.bearer.startswith(_PREFIX):
            return None
        caller = self._caller(credentials.bearer)
        if caller is None:
            raise Unauthorized("This guest token is not valid, or no longer.")
        return caller

    async def issue(self) -> Grant:
        guest = secrets.token_hex(16)
        token = self._signer.sign(_PREFIX + guest).decode("ascii")
        _, issued_at = self._signer.unsign(token, return_timestamp=True)
        return Grant(_guest(guest), token, issued_at + self._lifetime)

    def _caller(self, token: str) -> Caller | None:
        if not _TOKEN.fullmatch(token):
            return None
        try:
            # Not max_age, which refuses a token from a server whose clock is a second ahead.
            value, issued_at = self._signer.unsign(token, return_timestamp=True)
        except BadSignature:
            return None
        if datetime.now(UTC) >= issued_at + self._lifetime:
            return None
        return _guest(value.decode("ascii").removeprefix(_PREFIX))


def _guest(guest: str) -> Caller:
    return Caller(owner=f"guest:{guest}", kind="guest")
