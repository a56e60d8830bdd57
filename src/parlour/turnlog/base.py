"""What every turn log promises: numbered events, any number of readers, one turn a thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass


# Made for every token, and a frozen dataclass costs three times as much to make; never changed.
@dataclass(slots=True)
class TextEntry:
    """A piece of assistant text; neighbours of the same item and part may be merged by a reader."""

    seq: int
    item_id: str
    content_index: int
    delta: str


@dataclass(frozen=True, slots=True)
class EventEntry:
    """Any other event, as the compact JSON of the wire."""

    seq: int
    data: bytes


Entry = TextEntry | EventEntry


@dataclass(frozen=True, slots=True)
class TurnInfo:
    """What is known of a turn wherever its log can be read."""

    turn_id: str
    thread_id: str
    may_stop: bool = True
    """As its visitor was told."""


class TurnWriter(ABC):
    """The one hand that writes a turn's log; appending never waits for a reader."""

    @abstractmethod
    def append(self, entry: Entry) -> None:
        """Adds an entry; ``seq`` rises by one from 1."""

    @abstractmethod
    async def close(self) -> None:
        """Ends the log: readers get what is left, then the end. Kept for a while for latecomers."""

    @property
    @abstractmethod
    def stop_requested(self) -> bool:
        """True once anybody asked for this turn to stop."""

    @abstractmethod
    async def wait_stop(self) -> None:
        """Returns when somebody asks for this turn to stop."""


class TurnLog(ABC):
    """Holds running turns' events so that any reader can join, leave and come back."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: str) -> TurnLog:
        """Opens nothing yet: the whole spec, such as ``memory`` or ``redis://localhost``."""

    @abstractmethod
    async def start(
        self, owner: str, turn_id: str, thread_id: str, *, may_stop: bool = True
    ) -> TurnWriter:
        """Opens the log of a new turn."""

    @abstractmethod
    def read(self, owner: str, turn_id: str, after: int = 0) -> AsyncIterator[list[Entry]]:
        """Batches of the entries with ``seq > after``, as they come, until the turn ends.

        Raises ``TurnNotFound`` for a turn that is unknown, forgotten, or another owner's.
        """

    @abstractmethod
    async def find(self, owner: str, turn_id: str) -> TurnInfo:
        """The turn that ``read`` would read; raises ``TurnNotFound`` as it would."""

    @abstractmethod
    async def running(self, owner: str, thread_id: str) -> str | None:
        """The id of the turn that runs on this thread now, if there is one.

        When others have started and wait behind it, the first one.
        """

    @abstractmethod
    async def request_stop(self, owner: str, turn_id: str) -> None:
        """Asks a running turn to stop; harmless when it has ended. ``TurnNotFound`` as in read."""

    @abstractmethod
    def hold(self, thread_id: str, wait: float) -> AbstractAsyncContextManager[None]:
        """The thread's turn lock; ``ThreadBusy`` when it is not free within ``wait`` seconds.

        It is handed on in the order of asking, and free again 10 seconds after a holder's death.
        """

    async def open(self) -> None:
        """Connects, where there is something to connect to; ``TurnLogUnavailable`` when that fails."""
        return None

    async def healthy(self) -> None:
        """Returns if the log can be written and read now; ``TurnLogUnavailable`` if not."""
        return None

    async def close(self) -> None:
        """Lets go of everything."""
        return None
