"""What only guests have: the shape of a token, its end, the cookie, and changing secrets."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from itsdangerous import TimestampSigner

from parlour.context import Caller
from parlour.errors import ConfigurationError, Unauthorized
from parlour.identity.base import COOKIE, Credentials
from parlour.identity.contract import OTHER_SECRET, SECRET
from parlour.identity.guest import GuestIdentity


def token_of(age: timedelta) -> str:
    """A token that was issued a while ago, signed as ours are."""

    class Earlier(TimestampSigner):
        def get_timestamp(self) -> int:
            return int((datetime.now(UTC) - age).timestamp())

    signer = Earlier(SECRET, salt="parlour.guest", key_derivation="hmac", digest_method=sha256)
    return signer.sign("guest_" + "0" * 32).decode()


def by_cookie(token: str) -> Credentials:
    return Credentials(cookies={COOKIE: token, "theme": "dark"})


async def test_a_token_is_short_safe_in_an_address_and_says_when_it_ends() -> None:
    before = datetime.now(UTC)
    grant = await GuestIdentity(SECRET, days=30).issue()
    assert re.fullmatch(r"guest_[0-9a-f]{32}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", grant.token)
    assert len(grant.token) < 100
    assert abs(grant.expires_at - before - timedelta(days=30)) < timedelta(seconds=5)


async def test_an_owner_has_128_random_bits() -> None:
    identity = GuestIdentity(SECRET)
    owners = [(await identity.issue()).caller.owner for _ in range(400)]
    assert all(re.fullmatch(r"guest:[0-9a-f]{32}", owner) for owner in owners)
    first, *others = (int(owner.removeprefix("guest:"), 16) for owner in owners)
    # Were a bit constant, or made from others, the differences would span fewer dimensions.
    basis: list[int] = []
    for other in others:
        difference = first ^ other
        for known in basis:
            difference = min(difference, difference ^ known)
        if difference:
            basis.append(difference)
    assert len(basis) == 128


async def test_a_cookie_is_as_good_as_a_bearer() -> None:
    identity = GuestIdentity(SECRET)
    grant = await identity.issue()
    assert await identity.identify(by_cookie(grant.token)) == grant.caller
    assert grant.caller.kind == "guest"


async def test_a_bearer_goes_before_a_cookie() -> None:
    identity = GuestIdentity(SECRET)
    one, other = await identity.issue(), await identity.issue()
    both = Credentials(bearer=one.token, cookies={COOKIE: other.token})
    assert await identity.identify(both) == one.caller


async def test_a_bearer_of_another_kind_is_left_to_other_identities_whatever_the_cookie() -> None:
    identity = GuestIdentity(SECRET)
    cookies = {COOKIE: (await identity.issue()).token}
    for bearer in ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "", "sk-proj-123"):
        assert await identity.identify(Credentials(bearer=bearer, cookies=cookies)) is None


@pytest.mark.parametrize("bad", ["guest_", "guest_" + "0" * 32, "guest_é", "guest_\ud800.a.b"])
async def test_a_forged_guest_is_unauthorized_as_a_bearer_and_a_newcomer_as_a_cookie(
    bad: str,
) -> None:
    identity = GuestIdentity(SECRET)
    with pytest.raises(Unauthorized):
        await identity.identify(Credentials(bearer=bad))
    assert await identity.identify(by_cookie(bad)) is None


async def test_a_token_without_a_real_signature_is_unauthorized() -> None:
    identity = GuestIdentity(SECRET)
    value, stamp, _ = (await identity.issue()).token.split(".")
    for stamp_tried in (stamp, "A" * 16, "_" * 16):
        with pytest.raises(Unauthorized):
            await identity.identify(Credentials(bearer=f"{value}.{stamp_tried}.{'A' * 43}"))


async def test_a_token_is_valid_until_its_last_day() -> None:
    identity = GuestIdentity(SECRET, days=30)
    token = token_of(timedelta(days=30) - timedelta(minutes=1))
    assert await identity.identify(Credentials(bearer=token)) == Caller("guest:" + "0" * 32)


async def test_an_expired_token_is_unauthorized_as_a_bearer_and_a_newcomer_as_a_cookie() -> None:
    identity = GuestIdentity(SECRET, days=30)
    token = token_of(timedelta(days=30, seconds=1))
    with pytest.raises(Unauthorized):
        await identity.identify(Credentials(bearer=token))
    assert await identity.identify(by_cookie(token)) is None


async def test_a_token_from_a_server_whose_clock_is_ahead_is_valid() -> None:
    token = token_of(-timedelta(minutes=2))
    assert await GuestIdentity(SECRET).identify(Credentials(bearer=token)) is not None


async def test_a_signature_made_for_another_purpose_is_not_a_guest() -> None:
    signer = TimestampSigner(SECRET, salt="parlour.file", digest_method=sha256)
    token = signer.sign("guest_" + "0" * 32).decode()
    with pytest.raises(Unauthorized):
        await GuestIdentity(SECRET).identify(Credentials(bearer=token))


@pytest.mark.parametrize("between", [",", " ", "\n", ", "])
async def test_a_new_secret_signs_and_the_old_one_is_still_recognised(between: str) -> None:
    old = GuestIdentity(OTHER_SECRET)
    both = GuestIdentity(f"{SECRET}{between}{OTHER_SECRET}")
    new = GuestIdentity(SECRET)
    earlier, later = await old.issue(), await both.issue()
    assert await both.identify(Credentials(bearer=earlier.token)) == earlier.caller
    assert await new.identify(Credentials(bearer=later.token)) == later.caller
    with pytest.raises(Unauthorized):
        await old.identify(Credentials(bearer=later.token))
    with pytest.raises(Unauthorized):
        await new.identify(Credentials(bearer=earlier.token))


@pytest.mark.parametrize("secret", ["", " , ", "changeme", f"{SECRET} short", "correct horse"])
def test_a_secret_that_can_be_guessed_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        GuestIdentity(secret)
    assert "PARLOUR_SECRET" in refused.value.hint
    assert not secret or secret not in str(refused.value.body())


@pytest.mark.parametrize("days", [0, -1, 10**12])
def test_a_lifetime_that_makes_no_sense_is_refused_at_the_start(days: int) -> None:
    with pytest.raises(ConfigurationError):
        GuestIdentity(SECRET, days)


async def test_a_spec_may_say_for_how_many_days() -> None:
    grant = await GuestIdentity.from_spec("7", secret=SECRET).issue()
    assert timedelta(days=6) < grant.expires_at - datetime.now(UTC) <= timedelta(days=7)


@pytest.mark.parametrize("rest", ["localhost", "-1", "0", "1.5", "٣", "9" * 5000])
def test_a_spec_that_says_anything_else_is_refused(rest: str) -> None:
    with pytest.raises(ConfigurationError):
        GuestIdentity.from_spec(rest, secret=SECRET)
