"""What every answerer promises, and the few things it may say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from parlour.context import RequestContext
from parlour.errors import ConfigurationError, Unsupported
from parlour.knowledge import Knowledge
from parlour.models.base import Model
from parlour.protocol import JsonObject, message_text, parse
from parlour.stores.base import Store, Thread


# Made for every token, and a frozen dataclass costs three times as much to make; never changed.
@dataclass(slots=True)
class Text:
    """More text of the assistant message that is being written (Markdown)."""

    delta: str


@dataclass(frozen=True, slots=True)
class Cite:
    """A source for the text just written; ``source`` is a URL, file or entity source of the protocol.

    ``index`` is a character position in the message; the end of the text so far when None.
    """

    source: JsonObject
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A transient message about the answer, not part of it (Markdown)."""

    level: Literal["info", "warning", "danger"]
    message: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What is going on before or between words; vanishes."""

    text: str
    icon: str | None = None


@dataclass(frozen=True, slots=True)
class Emit:
    """Any event of the protocol, as its JSON object."""

    event: JsonObject


@dataclass(frozen=True, slots=True)
class ThreadChange:
    """New values for the thread's title, status, allowed_image_domains or metadata."""

    changes: JsonObject


AnswerEvent = Text | Cite | Notice | Progress | Emit | ThreadChange


@dataclass(frozen=True, slots=True)
class Question:
    """One turn as an answerer sees it.

    ``message`` is the user message item that is asked, or None when the turn continues after a
    client tool or a form. ``store`` is to be used with ``context.caller.owner``.
    """

    thread: Thread
    message: JsonObject | None
    context: RequestContext
    store: Store

    @property
    def text(self) -> str:
        """What the visitor wrote, without the quoted text."""
        return message_text(self.message) if self.message else ""

    @property
    def quoted_text(self) -> str | None:
        """What the visitor had selected, if anything."""
        return self.message.get("quoted_text") if self.message else None

    async def history(self, limit: int) -> list[JsonObject]:
        """The newest ``limit`` items, oldest first, the asked message included, hidden ones too."""
        page = await self.store.list_items(
            self.context.caller.owner, self.thread.id, limit=limit, order="desc", hidden=True
        )
        return [parse(item.data) for item in reversed(page.data)]


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """A widget's or the page's action; ``sender`` is the widget item it came from."""

    thread: Thread
    action: JsonObject
    sender: JsonObject | None
    context: RequestContext
    store: Store


@dataclass(frozen=True, slots=True)
class Materials:
    """What the settings offer an answerer that is made from its name.

    ``open_model`` opens the language model that is set up, or raises ``ConfigurationError``.
    """

    knowledge: Knowledge | None
    open_model: Callable[[], Model]
    instructions: str = ""
    history_items: int = 20


class Answerer(ABC):
    """Writes answers; everything but ``answer`` is optional."""

    reason = ""
    """Why this one is in use, in a few words for the operator."""

    @classmethod
    def from_spec(cls, rest: str, materials: Materials) -> Answerer:
        """Makes it from the part of the spec after the name; for those that are in the table."""
        raise ConfigurationError(f"{cls.__name__} cannot be chosen by name; pass it as an object.")

    async def open(self, store: Store) -> None:
        """Called once before the first question, with the store that conversations are kept in."""
        return None

    async def close(self) -> None:
        """Called once after the last."""
        return None

    @abstractmethod
    def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        """The answer as it is written.

        Closing the iterator stops the work, upstream too. A ``ParlourError`` raised here is told to
        the visitor; any other exception is logged and told only as a failure.
        """

    def action(self, request: ActionRequest) -> AsyncIterator[AnswerEvent]:
        """Reacts to an action with events."""
        raise Unsupported("This answerer does not handle actions.")

    async def sync_action(self, request: ActionRequest) -> JsonObject | None:
        """Reacts to an action with at most one changed item."""
        raise Unsupported("This answerer does not handle actions.")

    async def feedback(
        self, thread_id: str, item_ids: Sequence[str], kind: str, context: RequestContext
    ) -> None:
        """Is told of a thumb; the store has kept it already."""
        return None

    async def transcribe(self, audio: bytes, mime_type: str, context: RequestContext) -> str:
        """Speech to text."""
        raise Unsupported("This answerer does not transcribe speech.")

    async def create_attachment(
        self, given: JsonObject, context: RequestContext
    ) -> JsonObject | None:
        """An attachment kept elsewhere, ``{name, size, mime_type}`` given; None leaves it to us."""
        return None

    async def delete_attachment(self, attachment_id: str, context: RequestContext) -> None:
        """Is told that an attachment of the caller's is deleted."""
        return None

    def allow_cancel(self, thread: Thread, context: RequestContext) -> bool:
        """Whether the visitor may stop this turn."""
        return True

    async def title(self, question: Question) -> str | None:
        """A title for a new thread, made while the answer is written; None leaves it untitled."""
        return None
