"""What is somebody else's, or nobody's to see, is not seen."""

from __future__ import annotations

from datetime import datetime

from chatkit.types import (
    HiddenContextItem,
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    UserMessageItem,
)

from parlour.protocol import JsonObject
from tests.hosted_servers.scripted import Context, ScriptedServer
from tests.servers.client import message, thread_of
from tests.traps.engines import Engine, Events, Person, new_message


def attached(engine: Engine, person: Person) -> str:
    """The id of an attachment that a message may take."""
    if engine.official:
        given = {"name": "diary.txt", "size": 3, "mime_type": "text/plain"}
        made: JsonObject = person.json("attachments.create", **given)
    else:
        made = person.http.post("/uploads", files={"file": ("diary.txt", b"abc")}).json()
    return str(made["id"])


def test_somebody_elses_attachment_cannot_be_taken_over(engine: Engine) -> None:  # 3.9
    alice, mallory = engine.person(), engine.person()
    file = attached(engine, alice)
    heard = mallory.hear("threads.create", input=message("mine", attachments=[file]))
    with engine.promise():
        assert "diary" not in str(heard)
    with engine.promise():
        assert heard.told


def test_a_hidden_item_is_never_sent_whatever_event_it_comes_in(engine: Engine) -> None:  # 3.12
    async def whispering(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        note = HiddenContextItem(
            id=new_message(server, thread, ctx),
            thread_id=thread.id,
            created_at=datetime.now(),
            content="TOP SECRET",
        )
        yield ThreadItemAddedEvent(item=note)
        yield ThreadItemDoneEvent(item=note)
        yield ThreadItemReplacedEvent(item=note)

    engine.stage.script = whispering
    person = engine.person()
    heard = person.say("go")
    assert "TOP SECRET" not in str(person.items(thread_of(heard.events)))
    with engine.promise():
        assert "TOP SECRET" not in str(heard.events)


def test_a_requests_metadata_reaches_the_server_and_a_threads_stays_there(engine: Engine) -> None:
    # 3.48
    async def noting(
        server: ScriptedServer, thread: ThreadMetadata, asked: UserMessageItem | None, ctx: Context
    ) -> Events:
        engine.stage.seen.append(ctx.get("metadata"))
        thread.metadata["score"] = "for our eyes only"
        yield ProgressUpdateEvent(text="…")

    engine.stage.script = noting
    person = engine.person()
    body = {
        "type": "threads.create",
        "params": {"input": message("go")},
        "metadata": {"plan": "pro"},
    }
    response = person.http.post("/chatkit", json=body)
    assert "our eyes" not in response.text
    with engine.promise():
        assert engine.stage.seen == [{"plan": "pro"}]
