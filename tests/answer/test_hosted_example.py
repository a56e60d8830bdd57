"""The example people copy from runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from parlour.answer.hosted import HostedServer
from tests.answer.conversation import conversation

EXAMPLE = Path(__file__).parents[2] / "examples" / "chatkit-server"


async def test_the_example_answers_with_a_widget_and_acts_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    hosted = HostedServer.from_spec("main:server")
    sys.modules.pop("main")
    async with conversation(hosted, tmp_path) as chat:
        await chat.say("Where is order 4711?")
        widget = chat.shown()[-1]
        assert widget["widget"]["children"][0]["value"] == "Order 4711"
        thread = await chat.engine.store.load_thread(chat.owner, chat.thread_id)
        assert thread.title == "Order 4711"
        await chat.stream(
            "threads.custom_action",
            thread_id=chat.thread_id,
            item_id=widget["id"],
            action=widget["widget"]["children"][2]["onClickAction"],
        )
        items = await chat.items()
    assert items[1]["widget"]["children"][1]["label"] == "cancelled"
    assert items[2]["content"][0]["text"] == "It is cancelled."
