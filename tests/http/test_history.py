"""``GET /api/history``: past conversations as JSON and Markdown, for their owner only."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from parlour.answer.base import Cite, Emit, Text
from parlour.app import create_app
from parlour.errors import SchemaOutdated
from parlour.http.history import acceptable
from parlour.http.messages import Messages
from parlour.http.replica import Reading
from parlour.http.transcript import markdown
from parlour.protocol import JsonObject, new_id, now, timestamp
from parlour.settings import Settings
from parlour.stores.base import Store, Thread
from parlour.stores.memory import MemoryStore
from parlour.stores.schema import VERSION_TABLE
from parlour.stores.sqlite import SqliteStore
from tests.servers.answerers import Scripted, emit, fail
from tests.servers.client import Visitor, message, thread_of
from tests.servers.serving import serving

MARKDOWN = {"accept": "text/markdown"}


def get(visitor: Visitor, path: str = "", /, **parameters: str | int) -> JsonObject:
    response = visitor.http.get(f"/api/history{path}", params=parameters)
    assert response.status_code == 200, response.text
    body: JsonObject = response.json()
    return body


def said(body: JsonObject) -> list[tuple[str, str]]:
    return [(each["role"], each["text"]) for each in body["messages"]]


# -- threads -------------------------------------------------------------------------------------


def test_threads_are_listed_newest_first_in_pages(visitor: Visitor) -> None:
    made = [thread_of(visitor.ask(f"q{n}")) for n in range(5)][::-1]
    seen: list[str] = []
    parameters: dict[str, str | int] = {"limit": 2}
    while True:
        body = get(visitor, "", **parameters)
        seen += [thread["id"] for thread in body["data"]]
        if not body["has_more"]:
            assert "before" not in body
            break
        parameters["before"] = body["before"]
    assert seen == made
    first = get(visitor)["data"][0]
    assert first.keys() == {"id", "title", "created_at", "status"}
    assert first["status"] == {"type": "active"}


def test_a_newcomer_has_an_empty_history_and_becomes_somebody(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        response = client.get("/api/history")
        assert response.json() == {"data": [], "has_more": False}
        assert "parlour_guest" in response.cookies
        client.post("/chatkit", json={"type": "threads.create", "params": {"input": message("hi")}})
        assert len(client.get("/api/history").json()["data"]) == 1


# -- messages ------------------------------------------------------------------------------------


def test_messages_come_newest_page_first_and_oldest_first_within(visitor: Visitor) -> None:
    thread = thread_of(visitor.ask("q0"))
    for n in range(1, 4):
        visitor.ask(f"q{n}", thread)
    pages = []
    parameters: dict[str, str | int] = {"limit": 3}
    while True:
        body = get(visitor, f"/{thread}", **parameters)
        pages.append([text for _, text in said(body)])
        assert body["thread"]["id"] == thread
        if not body["has_more"]:
            break
        parameters["before"] = body["before"]
    answer = "Hello there."
    assert pages == [[answer, "q3", answer], ["q1", answer, "q2"], ["q0", answer]]


def test_a_message_has_its_sources_files_and_thumb(visitor: Visitor, answerer: Scripted) -> None:
    source = {"type": "url", "title": "Returns", "url": "/help/returns", "group": "x"}
    answerer.answer_with = emit(Text("45 days."), Cite(source))
    made = visitor.json("attachments.create", name="a.txt", size=3, mime_type="text/plain")
    visitor.http.put(made["upload_descriptor"]["url"], content=b"abc")
    asked = message("How long?", quoted_text="Returns") | {"attachments": [made["id"]]}
    thread = thread_of(visitor.events("threads.create", input=asked))
    answer_id = visitor.items(thread)[-1]["id"]
    visitor.json("items.feedback", thread_id=thread, item_ids=[answer_id], kind="positive")
    question, answer = get(visitor, f"/{thread}")["messages"]
    assert question["quoted_text"] == "Returns"
    assert question["attachments"][0]["name"] == "a.txt"
    assert "metadata" not in question["attachments"][0]
    assert answer["feedback"] == "positive"
    assert answer["citations"] == [
        {"type": "url", "title": "Returns", "url": "/help/returns", "index": 8}
    ]
    assert "outcome" not in answer


def test_a_part_of_an_answer_is_never_shown_as_the_whole(
    visitor: Visitor, answerer: Scripted
) -> None:
    answerer.answer_with = fail(RuntimeError("broken"), "Half of")
    thread = thread_of(visitor.ask("one"))
    answerer.answer_with = fail(RuntimeError("broken"))
    visitor.ask("two", thread)
    half, two, nothing = get(visitor, f"/{thread}")["messages"][1:]
    assert (half["text"], half["outcome"]) == ("Half of", "failed")
    assert "outcome" not in two
    assert (nothing["role"], nothing["text"], nothing["outcome"]) == ("assistant", "", "failed")
    # Wherever a page is cut, the mark stays with its answer.
    for limit in (1, 2, 3):
        shown: list[JsonObject] = []
        before: dict[str, str | int] = {}
        while True:
            body = get(visitor, f"/{thread}", limit=limit, **before)
            shown = body["messages"] + shown
            if not body["has_more"]:
                break
            before = {"before": body["before"]}
        assert [each.get("outcome") for each in shown] == [None, "failed", None, "failed"]
    assert (
        "could not be finished" in visitor.http.get(f"/api/history/{thread}", headers=MARKDOWN).text
    )


def test_what_is_hidden_or_no_message_is_left_out(visitor: Visitor, answerer: Scripted) -> None:
    def item(kind: str, **more: object) -> Emit:
        made = {"id": new_id("message"), "thread_id": "", "created_at": timestamp(), "type": kind}
        return Emit({"type": "thread.item.done", "item": made | more})

    answerer.answer_with = emit(
        item("hidden_context_item", content="a secret"),
        item("workflow", workflow={"type": "custom", "tasks": []}),
        item("widget", widget={"type": "Card", "children": []}, copy_text="Total: 5"),
        item("widget", widget={"type": "Card", "children": []}),
        item("generated_image", image={"id": "i", "url": "https://pictures.test/1.png"}),
        item("generated_image", image=None),
        item(
            "structured_input",
            status="answered",
            inputs=[
                {"id": "s", "type": "freeform", "question": "Size?", "answer": {"values": ["M"]}}
            ],
        ),
        Text("Done."),
    )
    thread = thread_of(visitor.ask("go"))
    body = get(visitor, f"/{thread}")
    assert [text for _, text in said(body)] == ["go", "Total: 5", "", "Size? M", "Done."]
    assert body["messages"][2]["image"] == "https://pictures.test/1.png"
    assert "secret" not in str(body)
    whole = get(visitor, f"/{thread}", limit=2)
    assert [text for _, text in said(whole)] == ["Size? M", "Done."]


def test_history_is_the_same_on_every_database(tmp_path: Path, database: str) -> None:
    given = Settings(home=tmp_path, database_url=database, database_replica_url=database)
    with serving(create_app(given, answerer=Scripted())) as url:
        visitor = Visitor(url)
        first = thread_of(visitor.ask("👋 q0"))
        for n in range(1, 4):
            visitor.ask(f"q{n}", first)
        second = thread_of(visitor.ask("other"))
        assert [thread["id"] for thread in get(visitor)["data"]] == [second, first]
        older = get(visitor, limit=1)
        assert [t["id"] for t in get(visitor, before=older["before"])["data"]] == [first]
        page = get(visitor, f"/{first}", limit=3)
        assert [text for _, text in said(page)] == ["Hello there.", "q3", "Hello there."]
        rest = get(visitor, f"/{first}", before=page["before"])
        assert said(rest)[0] == ("user", "👋 q0")
        for stranger in ("/thr_1", "/%00", f"/{first.upper()}", f"/{first}%20"):
            assert visitor.http.get(f"/api/history{stranger}").status_code == 404
        visitor.close()


# -- whose it is ---------------------------------------------------------------------------------


def test_what_is_somebody_elses_is_answered_like_what_is_not_there(
    newcomer: Callable[[], Visitor],
) -> None:
    ada, eve = newcomer(), newcomer()
    thread = thread_of(ada.ask("mine"))
    item = ada.items(thread)[0]["id"]
    own = thread_of(eve.ask("hers"))
    assert [each["id"] for each in get(eve)["data"]] == [own]
    for path, real, unreal in (
        ("/api/history/{}", thread, new_id("thread")),
        ("/api/history?before={}", thread, new_id("thread")),
        (f"/api/history/{own}?before={{}}", item, new_id("message")),
    ):
        answers = [eve.http.get(path.format(each)) for each in (real, unreal)]
        assert [answer.status_code for answer in answers] == [404, 404]
        texts = [a.text.replace(i, "…") for a, i in zip(answers, (real, unreal), strict=True)]
        assert texts[0] == texts[1]
    anonymous = httpx.get(f"{eve.url}/api/history/{thread}")
    assert anonymous.status_code == 404


@pytest.mark.parametrize(
    "query", ["?limit=0", "?limit=101", "?limit=x", "?limit=-1", "?before=", "?before=" + "a" * 256]
)
def test_nonsense_is_refused_with_its_reason(visitor: Visitor, query: str) -> None:
    for path in ("", "/thr_1"):
        response = visitor.http.get(f"/api/history{path}{query}")
        assert response.status_code == 400
        assert response.json()["error"]["hint"]


# -- how it is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("text/*", "markdown"),
        ("text/markdown", "markdown"),
        ("TEXT/Markdown; charset=utf-8", "markdown"),
        ("text/html, text/markdown;q=0.9, */*;q=0.1", "markdown"),
        ("application/json;q=0.5, text/markdown", "markdown"),
        ("text/markdown;q=0.5, application/json", "json"),
        ("*/*, application/json;q=0", "markdown"),
        ("application/json, text/markdown", "json"),
        ("text/html", None),
        ("application/json;q=0", None),
        ("text/markdown;q=nonsense", None),
        ("nonsense", None),
    ],
)
def test_the_accept_header_chooses(accept: str, kind: str | None) -> None:
    chosen = acceptable(accept, ("application/json", "text/markdown"))
    assert (chosen and chosen.partition("/")[2]) == kind


def test_a_type_that_is_not_there_is_refused(visitor: Visitor) -> None:
    thread = thread_of(visitor.ask("hi"))
    for path, accept in ((f"/{thread}", "text/html"), ("", "text/markdown")):
        response = visitor.http.get(f"/api/history{path}", headers={"accept": accept})
        assert (response.status_code, response.json()["error"]["code"]) == (406, "not_acceptable")


def test_an_answer_is_for_its_owners_cache_only_and_is_sent_once(visitor: Visitor) -> None:
    thread = thread_of(visitor.ask("hi"))
    for path in ("", f"/{thread}"):
        first = visitor.http.get(f"/api/history{path}")
        assert first.headers["cache-control"] == "private, no-cache"
        assert {"Accept", "Authorization", "Cookie"} <= set(first.headers["vary"].split(", "))
        tag = first.headers["etag"]
        for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            again = visitor.http.get(f"/api/history{path}", headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        head = visitor.http.head(f"/api/history{path}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == tag
        assert head.headers["content-length"] == str(len(first.content))
    visitor.ask("more", thread)
    changed = visitor.http.get(f"/api/history/{thread}", headers={"if-none-match": tag})
    assert changed.status_code == 200


def test_history_is_under_the_prefix_and_for_the_allowed_origins(tmp_path: Path) -> None:
    given = Settings(home=tmp_path, prefix="/chat", allowed_origins="https://shop.test")
    with serving(create_app(given, answerer=Scripted())) as url:
        assert httpx.get(f"{url}/api/history").status_code == 404
        origin = {"origin": "https://shop.test"}
        response = httpx.get(f"{url}/chat/api/history", headers=origin)
        assert response.json()["data"] == []
        assert response.headers["access-control-allow-origin"] == "https://shop.test"
        assert "Origin" in response.headers["vary"]


# -- Markdown ------------------------------------------------------------------------------------


def test_markdown_says_who_said_what_and_when(visitor: Visitor, answerer: Scripted) -> None:
    answerer.titled = "Returns & *refunds*\n# x"
    cited = Cite({"type": "url", "title": "Re[turns]", "url": "/help/re turns(1)"})
    bad = Cite({"type": "url", "title": "Bad", "url": "java\nscript:alert(1)"})
    answerer.answer_with = emit(Text("**45** days.\n\n```\ncode\n```"), cited, cited, bad)
    thread = thread_of(visitor.ask("How long?\n# not a heading"))
    response = visitor.http.get(f"/api/history/{thread}", headers=MARKDOWN)
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"] == "inline"
    shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", response.text)
    assert shown == (
        "# Returns \\& \\*refunds\\* \\# x\n\n"
        "## You, TIME UTC\n\n"
        "> How long?\\\n> \\# not a heading\n\n"
        "## Assistant, TIME UTC\n\n"
        "> **45** days.\n>\n> ```\n> code\n> ```\n\n"
        "Sources:\n\n"
        "1. [Re\\[turns\\]](/help/re%20turns%281%29)\n"
        "2. Bad\n"
    )
    page = visitor.http.get(f"/api/history/{thread}?limit=1", headers=MARKDOWN).text
    earlier = re.search(r"\[Earlier messages\]\((.*)\)", page)
    assert earlier is not None
    older = visitor.http.get(f"/api/history/{thread}{earlier[1]}", headers=MARKDOWN).text
    assert "How long?" in older
    assert "**45**" not in older


BLOCKS = (
    "# You",
    "## Assistant, 2026",
    "===",
    "---",
    "```",
    "~~~",
    "> ",
    "- ",
    "1. ",
    "1) ",
    "    ",
)
INLINE = ("[a]: /evil", "[a](/evil)", "![a](/evil)", "<http://e.test>", "</p>", "<!--", "&#35; x")
TABLES = (
    "| a | b |",
    "|---|---|",
    "+ ",
    "**",
    "_",
    "{x}",
    "text",
    " ",
    "::: x",
    "\\",
    "`",
    "~~x~~",
)
ENDS = ("\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\t", "\x00", "\x1b[")
FORGERIES = st.sampled_from([*BLOCKS, *INLINE, *TABLES, *ENDS])
TEXTS = st.lists(FORGERIES | st.text(max_size=4), max_size=12).map("".join)
PARSER = MarkdownIt("gfm-like", {"linkify": False})


def page_of(*said: tuple[str, str], title: str | None = None) -> Messages:
    made = [
        {"id": str(n), "role": role, "text": text, "created_at": timestamp()}
        for n, (role, text) in enumerate(said)
    ]
    return Messages(Thread("thr_1", now(), title), made, None)


@given(TEXTS, TEXTS, TEXTS)
@hypothesis_settings(deadline=None, max_examples=150)
def test_nobodys_words_can_forge_a_part_of_the_document(title: str, asked: str, told: str) -> None:
    written = markdown(page_of(("user", asked), ("assistant", told), title=title), 50)
    tokens = PARSER.parse(written)
    outside = [token.type for token in tokens if token.level == 0 and token.nesting >= 0]
    assert [kind for kind in outside if kind != "blockquote_open"] == ["heading_open"] * 3
    assert outside.count("blockquote_open") <= 2
    headings = [
        tokens[n + 1].content
        for n, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    assert [heading.partition(",")[0] for heading in headings[1:]] == ["You", "Assistant"]


@given(TEXTS)
@hypothesis_settings(deadline=None, max_examples=150)
def test_a_visitors_text_is_shown_as_it_was_typed(asked: str) -> None:
    tokens = PARSER.parse(markdown(page_of(("user", asked)), 50))
    quoted = [token.type for token in tokens if token.level > 0]
    assert set(quoted) <= {"inline", "paragraph_open", "paragraph_close"}
    shown = "".join(
        "\n" if piece.type in ("hardbreak", "softbreak") else piece.content
        for token in tokens
        if token.type == "inline" and token.level > 1
        for piece in token.children or ()
    )
    assert {piece.type for t in tokens if t.level > 1 for piece in t.children or ()} <= {
        "text",
        "hardbreak",
        "text_special",
    }
    expected = re.sub(r"[\x00-\x08\x0e-\x1b\x7f]", "\ufffd", "\n".join(asked.splitlines()))
    assert "".join(shown.split()) == "".join(expected.split())


# -- a replica -----------------------------------------------------------------------------------


@pytest.fixture
def primary(tmp_path: Path) -> Path:
    return tmp_path / "parlour.db"


def replicated(tmp_path: Path, replica: Path) -> Settings:
    return Settings(home=tmp_path, database_replica_url=f"sqlite:///{replica}")


def test_history_is_read_from_the_replica_and_what_it_lacks_from_the_primary(
    tmp_path: Path, primary: Path
) -> None:
    with serving(create_app(Settings(home=tmp_path), answerer=Scripted())) as url:
        visitor = Visitor(url)
        old = thread_of(visitor.ask("old"))
        token = visitor.http.headers["authorization"]
        visitor.close()
    replica = tmp_path / "replica.db"
    copyfile(primary, replica)
    with serving(create_app(replicated(tmp_path, replica), answerer=Scripted())) as url:
        visitor = Visitor(url, guest=False)
        visitor.http.headers["authorization"] = token
        new = thread_of(visitor.ask("new"))
        visitor.ask("older", old)
        assert [thread["id"] for thread in get(visitor)["data"]] == [old]
        assert len(get(visitor, f"/{old}")["messages"]) == 2
        assert len(get(visitor, f"/{new}")["messages"]) == 2
        visitor.close()


async def test_a_replica_that_is_away_is_said_once_and_read_again_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    primary, replica = MemoryStore(), SqliteStore.from_spec(f"sqlite:///{tmp_path}/sub/r.db")
    (tmp_path / "sub").write_text("in the way")
    await primary.add_thread("guest:ada", Thread("thr_p", now()))

    async def ids(store: Store) -> list[str]:
        return [thread.id for thread in (await store.list_threads("guest:ada", limit=9)).data]

    history = Reading(primary, replica, retry=0.02)
    caplog.set_level(logging.INFO)
    await history.open()
    for _ in range(3):
        assert await history.read(ids) == ["thr_p"]
    (tmp_path / "sub").unlink()
    for _ in range(1000):
        if await history.read(ids) == []:
            break
        await asyncio.sleep(0.02)
    await replica.add_thread("guest:ada", Thread("thr_r", now()))
    assert await history.read(ids) == ["thr_r"]
    # And away again, in the middle of its work.
    with sqlite3.connect(tmp_path / "sub" / "r.db") as broken:
        broken.execute("ALTER TABLE parlour_threads RENAME TO elsewhere")
    broken.close()
    assert await history.read(ids) == ["thr_p"]
    await history.close()
    told = [r.message for r in caplog.records if r.name == "parlour.http.replica"]
    assert len(told) == 3
    assert "away" in told[0]
    assert "again" in told[1]


async def test_a_replica_with_another_schema_is_refused(tmp_path: Path) -> None:
    replica = SqliteStore.from_spec(f"sqlite:///{tmp_path}/r.db")
    await replica.migrate()
    with sqlite3.connect(tmp_path / "r.db") as newer:
        newer.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    newer.close()
    history = Reading(MemoryStore(), replica)
    with pytest.raises(SchemaOutdated, match="replica"):
        await history.open()
    await history.close()
