"""A server that is told to stop while it answers."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from parlour.app import create_app
from parlour.settings import Settings
from tests.servers.answerers import Scripted, say
from tests.servers.client import Visitor, message, thread_of
from tests.servers.serving import serving


@pytest.mark.parametrize("headers", [{}, {"parlour-resume": "1"}])
def test_a_server_that_shuts_down_interrupts_and_nobody_is_said_to_have_stopped(
    tmp_path: Path, headers: dict[str, str]
) -> None:  # 72
    settings = Settings(home=tmp_path)
    answerer = Scripted(say(*["word "] * 1000, delay=0.01))
    with serving(create_app(settings, answerer=answerer)) as url:
        visitor = Visitor(url)
        context = visitor.streaming("threads.create", headers, input=message("hi"))
        events = iter(stream := context.__enter__())
        thread = thread_of([next(events)])
        for event in events:
            if "delta" in event.get("update", {}):
                break
    with pytest.raises(httpx.HTTPError):
        list(stream)
    context.__exit__(None, None, None)
    with serving(create_app(settings, answerer=answerer)) as url:
        back = Visitor(url, guest=False)
        back.http.headers.update(visitor.http.headers)
        question, answer, mark = back.items(thread)
        back.close()
    visitor.close()
    assert question["type"] == "user_message"
    assert answer["content"][0]["text"].startswith("word ")
    assert mark["outcome"] == "interrupted"
