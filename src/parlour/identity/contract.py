"""The tests every identity must pass.

Subclass ``IdentityContract`` in a test module and give it the fixture ``open_identity``. An
identity that issues nothing itself overrides ``newcomer`` too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from parlour.errors import Unauthorized
from parlour.identity.base import Credentials, Identity

OpenIdentity = Callable[[str], Identity]

SECRET = "first-secret-of-the-tests-0123456789"
OTHER_SECRET = "other-secret-of-the-tests-0123456789"

_STRANGE = (
    "",
    ".",
    "..",
    "...",
    "null",
    "Bearer",
    "guest",
    "local",
    "' or 1=1 --",
    "../../etc/passwd",
    "\x00",
    "\ud800",
    "e\u0301\u202e",
    "a" * 100_000,
    "." * 10_000,
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
)


@pytest.mark.asyncio
class IdentityContract:
    """What ``parlour.identity.base`` promises."""

    @pytest.fixture
    def open_identity(self) -> OpenIdentity:
        raise NotImplementedError("Give a fixture `open_identity` that opens yours with a secret.")

    async def newcomer(self, identity: Identity) -> Credentials:
        """Valid credentials of somebody new."""
        grant = await identity.issue()
        assert grant is not None, "an identity that issues nothing overrides newcomer()"
        return Credentials(bearer=grant.token)

    async def test_the_same_credentials_always_give_the_same_owner(
        self, open_identity: OpenIdentity
    ) -> None:
        identity = open_identity(SECRET)
        credentials = await self.newcomer(identity)
        owners = {await self._owner(identity, credentials) for _ in range(3)}
        assert len(owners) == 1
        assert None not in owners

    async def test_an_owner_stays_the_same_after_a_restart(
        self, open_identity: OpenIdentity
    ) -> None:
        credentials = await self.newcomer(open_identity(SECRET))
        before, after = open_identity(SECRET), open_identity(SECRET)
        assert await self._owner(before, credentials) == await self._owner(after, credentials)

    async def test_two_callers_never_share_an_owner(self, open_identity: OpenIdentity) -> None:
        identity = open_identity(SECRET)
        owners = {await self._owner(identity, await self.newcomer(identity)) for _ in range(50)}
        assert len(owners) == 50

    async def test_a_grant_stands_for_the_caller_it_names(
        self, open_identity: OpenIdentity
    ) -> None:
        identity = open_identity(SECRET)
        grant = await identity.issue()
        if grant is None:
            pytest.skip("it issues nothing itself")
        assert await identity.identify(Credentials(bearer=grant.token)) == grant.caller
        assert grant.expires_at.tzinfo is UTC
        assert grant.expires_at > datetime.now(UTC)
        assert grant.token not in repr(grant)

    async def test_a_request_without_credentials_is_nobody(
        self, open_identity: OpenIdentity
    ) -> None:
        assert await open_identity(SECRET).identify(Credentials()) is None

    async def test_what_is_signed_with_another_secret_is_nobody(
        self, open_identity: OpenIdentity
    ) -> None:
        credentials = await self.newcomer(open_identity(OTHER_SECRET))
        assert await self._owner(open_identity(SECRET), credentials) is None

    async def test_a_token_changed_anywhere_is_nobody(self, open_identity: OpenIdentity) -> None:
        identity = open_identity(SECRET)
        credentials = await self.newcomer(identity)
        token = credentials.bearer
        if token is None:
            pytest.skip("it does not recognise callers by a bearer token")
        # Not the last character: the lowest bits of the end of Base64 mean nothing.
        for at in range(len(token) - 1):
            changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            assert await self._owner(identity, replace(credentials, bearer=changed)) is None
            assert await self._owner(identity, replace(credentials, bearer=token[:at])) is None

    @pytest.mark.parametrize("strange", _STRANGE, ids=lambda text: ascii(text[:12]))
    async def test_a_strange_token_is_nobody_and_breaks_nothing(
        self, open_identity: OpenIdentity, strange: str
    ) -> None:
        identity = open_identity(SECRET)
        assert await self._owner(identity, Credentials(bearer=strange)) is None
        known = await self.newcomer(identity)
        everywhere = Credentials(
            cookies=dict.fromkeys(known.cookies, strange),
            headers=dict.fromkeys(known.headers, strange),
        )
        assert await self._owner(identity, everywhere) is None

    async def _owner(self, identity: Identity, credentials: Credentials) -> str | None:
        try:
            caller = await identity.identify(credentials)
        except Unauthorized:
            return None
        return caller.owner if caller is not None else None
