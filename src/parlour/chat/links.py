"""Signed addresses: what lets somebody without our credentials send or see one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from itsdangerous import BadSignature, URLSafeTimedSerializer

from parlour.errors import AttachmentNotFound

Use = Literal["up", "view"]

SECONDS: Final[dict[Use, int]] = {"up": 3600, "view": 30 * 24 * 3600}
"""How long an address is valid."""


@dataclass(frozen=True, slots=True)
class FileLink:
    """What a signed address allows: one file of one owner."""

    owner: str
    attachment_id: str


class Links:
    """Signs with the newest of the secrets, and knows signatures of the others."""

    def __init__(self, secret: str) -> None:
        oldest_first = secret.replace(",", " ").split()[::-1]
        self._signer = URLSafeTimedSerializer(oldest_first, salt="parlour.files")

    def sign(self, owner: str, attachment_id: str, use: Use) -> str:
        """The signature for an address."""
        signed = self._signer.dumps([owner, attachment_id, use])
        return signed if isinstance(signed, str) else signed.decode("ascii")

    def check(self, attachment_id: str, signature: str, use: Use) -> FileLink:
        """The file an address opens; ``AttachmentNotFound`` when it is forged, old or another's."""
        try:
            signed: Any = self._signer.loads(signature, max_age=SECONDS[use])
        except BadSignature:
            signed = None, None, None
        owner, signed_id, signed_use = signed
        if (signed_id, signed_use) != (attachment_id, use):
            # The same words for a forged signature and one of another file: neither is told apart.
            raise AttachmentNotFound("This address is not valid, or not any more.")
        return FileLink(owner, attachment_id)
