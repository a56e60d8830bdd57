"""Who asks, and with what: frozen values passed down explicitly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from parlour.protocol import JsonObject


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody the server has recognised; ``owner`` is the key every store statement is bound to."""

    owner: str
    kind: Literal["guest", "user", "local"] = "guest"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What an answerer may know of the request besides the conversation.

    ``locale`` is the first language of ``Accept-Language``; ``page`` is the path of the page the
    visitor is on; ``selected_text`` is what an older front end sent in its header; ``base_url`` is
    this server's own address as the client sees it, without a trailing slash; ``metadata`` is the
    request's own; ``headers`` have lower-case names and no credentials.
    """

    caller: Caller
    base_url: str = ""
    locale: str = "en"
    page: str | None = None
    selected_text: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""

    def with_metadata(self, metadata: JsonObject) -> RequestContext:
        """The same context with the request's own metadata."""
        return replace(self, metadata=metadata)
