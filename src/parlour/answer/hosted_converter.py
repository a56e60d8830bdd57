"""One mistake of the official SDK that no hosted server could survive."""

from __future__ import annotations

from agents import TResponseInputItem
from chatkit.agents import ThreadItemConverter
from chatkit.types import AssistantMessageItem


async def _assistant_message_to_input(
    self: ThreadItemConverter, item: AssistantMessageItem
) -> TResponseInputItem:
    text = "".join(part.text for part in item.content)
    return {"type": "message", "role": "assistant", "content": text}


def mend_converter() -> None:
    """Lets Chat Completions models see earlier answers.

    The SDK hands them on as ``output_text`` parts, which its own agents package refuses for every
    model but OpenAI's Responses: the second turn of each conversation failed. Plain text says the
    same to both. A subclass that overrides the method keeps its own.
    """
    ThreadItemConverter.assistant_message_to_input = _assistant_message_to_input  # type: ignore[method-assign]
