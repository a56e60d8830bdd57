"""What code written for the official SDK is given as its context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from parlour.context import RequestContext
from parlour.protocol import JsonObject
from parlour.stores.base import Store

_KEY = "parlour"


class Headers(Mapping[str, str]):
    """Header values by name, whatever its case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


@dataclass(frozen=True, slots=True)
class HostedRequest:
    """The part of an HTTP request that hosted code may know: no credentials."""

    headers: Headers
    base_url: str
    id: str


@dataclass(slots=True, repr=False)
class Binding:
    """Whose data a hosted server's store calls reach, and what its turn has done so far.

    ``made`` holds the ids handed out in this turn, ``stored`` those of items known to be in the
    store, ``threads`` the threads' fields as they were last handed out.
    """

    owner: str
    store: Store | None
    made: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    threads: dict[str, JsonObject] = field(default_factory=dict)


class HostedContext(JsonObject):
    """A mapping with ``user_id``, ``request``, ``metadata``, ``locale`` and ``page``; attributes too.

    It also carries the ``Binding`` as a value, so that a plain copy made from it (Pydantic makes one
    for a field of type ``dict``) reaches the same data and no other.
    """

    def __init__(self, context: RequestContext, store: Store | None) -> None:
        super().__init__(
            user_id=context.caller.owner,
            request=HostedRequest(Headers(context.headers), context.base_url, context.request_id),
            metadata=context.metadata,
            locale=context.locale,
            page=context.page,
        )
        self[_KEY] = Binding(context.caller.owner, store)

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"The context has no {name!r}.") from None

    @property
    def binding(self) -> Binding:
        """What this context is bound to."""
        return binding_of(self)


def binding_of(context: object) -> Binding:
    """What a context is bound to; ``TypeError`` for one that Parlour has not made."""
    found = context.get(_KEY) if isinstance(context, Mapping) else None
    if not isinstance(found, Binding):
        raise TypeError(
            "The store was called with a context that Parlour has not made, so it cannot know whose "
            "data to use. Pass on the context that respond() or action() was given."
        )
    return found
