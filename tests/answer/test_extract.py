"""The keyless answerer, asked what visitors of the fixture site ask."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parlour.answer.base import Cite, Question, Text
from parlour.answer.evidence import sentences
from parlour.answer.extract import ExtractAnswerer
from parlour.context import Caller, RequestContext
from parlour.knowledge import Knowledge
from parlour.protocol import JsonObject, new_id, now, timestamp
from parlour.stores.base import Store, Thread
from parlour.stores.memory import MemoryStore
from tests.knowledge.questions import ANSWERABLE, COLLOQUIAL, FOLLOW_UPS, UNANSWERABLE

SITE = Path(__file__).parent.parent / "knowledge" / "site"
CALLER = Caller("owner")


@dataclass
class Answer:
    text: str
    cites: list[tuple[int, JsonObject]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def plain(self) -> str:
        """As a reader sees it: escapes undone, white space collapsed."""
        return " ".join(re.sub(r"\\([^\w\s])", r"\1", self.text).split())

    @property
    def pages(self) -> list[str]:
        return [str(source["url"]).partition("#")[0] for _, source in self.cites]

    @property
    def refused(self) -> bool:
        return self.text.startswith("This site does not say.")


async def ask(
    knowledge: Knowledge | None,
    *questions: str,
    quoted: str | None = None,
    page: str | None = None,
    pause: float = 0,
) -> Answer:
    """The answer to the last question of a conversation."""
    store: Store = MemoryStore.from_spec("memory")
    await store.open()
    thread = Thread(new_id("thread"), now())
    await store.add_thread(CALLER.owner, thread)
    message: JsonObject = {}
    for text in questions:
        message = {
            "type": "user_message",
            "id": new_id("message"),
            "thread_id": thread.id,
            "created_at": timestamp(),
            "content": [{"type": "input_text", "text": text}],
            "attachments": [],
            "inference_options": {},
        }
        if quoted and text == questions[-1]:
            message["quoted_text"] = quoted
        await store.add_item(CALLER.owner, thread.id, message)
    question = Question(thread, message, RequestContext(CALLER, page=page), store)
    answer = Answer("")
    began = time.perf_counter()
    async for event in ExtractAnswerer(knowledge, pause=pause).answer(question):
        if isinstance(event, Text):
            answer.text += event.delta
            answer.pieces.append(event.delta)
        elif isinstance(event, Cite):
            answer.cites.append(
                (len(answer.text) if event.index is None else event.index, event.source)
            )
    answer.seconds = time.perf_counter() - began
    await store.close()
    return answer


@pytest.fixture
async def knowledge(tmp_path: Path) -> AsyncIterator[Knowledge]:
    opened = await Knowledge.from_folder(SITE, index=tmp_path / "knowledge.db")
    yield opened
    await opened.close()


async def score(
    knowledge: Knowledge, questions: tuple[tuple[str, str, str], ...]
) -> tuple[float, float]:
    """The share of answers that hold the fact, and of those that cite its page."""
    facts = pages = 0
    for question, fact, page in questions:
        answer = await ask(knowledge, question)
        facts += fact in answer.plain
        pages += page in answer.pages
    return facts / len(questions), pages / len(questions)


async def test_answers_hold_the_fact_and_cite_its_page(knowledge: Knowledge) -> None:
    facts, pages = await score(knowledge, ANSWERABLE)
    assert facts >= 0.95
    assert pages >= 0.94


async def test_questions_in_the_visitors_own_words_are_mostly_answered(
    knowledge: Knowledge,
) -> None:
    facts, pages = await score(knowledge, COLLOQUIAL)
    assert facts >= 0.8
    assert pages >= 0.85


async def test_it_says_plainly_when_the_site_does_not_say(knowledge: Knowledge) -> None:
    refused = 0
    for question in UNANSWERABLE:
        answer = await ask(knowledge, question)
        refused += answer.refused
        assert not (answer.refused and answer.cites), question
    assert refused / len(UNANSWERABLE) >= 0.95


async def test_a_follow_up_is_answered_in_the_light_of_the_question_before(
    knowledge: Knowledge,
) -> None:
    for earlier, question, fact, page in FOLLOW_UPS:
        answer = await ask(knowledge, *earlier, question)
        assert fact in answer.plain, question
        assert page in answer.pages


async def test_every_sentence_stands_on_the_page_it_cites(knowledge: Knowledge) -> None:
    frame = re.compile(r"\*\*.+\*\*|```.*|\| --- .*")
    for question, _, _ in ANSWERABLE:
        answer = await ask(knowledge, question)
        if answer.refused:
            continue
        texts = [
            " ".join(hit.passage.text.split())
            for hit in await knowledge.search(question, limit=20)
            if hit.passage.url in [source["url"] for _, source in answer.cites]
        ]
        for line in answer.text.splitlines():
            if not line.strip() or frame.fullmatch(line):
                continue
            said = " ".join(re.sub(r"\\([^\w\s])", r"\1", line.strip("| ")).split())
            whole = any(said in text for text in texts)
            # A long paragraph may be shortened by whole sentences, never inside one.
            assert whole or all(any(part in text for text in texts) for part in sentences(said)), (
                line
            )


async def test_every_quote_carries_its_source_right_behind_it(knowledge: Knowledge) -> None:
    answer = await ask(knowledge, "How much is shipping?")
    ((position, source),) = answer.cites
    assert answer.text[:position].endswith("whatever the size of the order.")
    assert source["type"] == "url"
    assert source["title"] == "Shipping › Shipping costs"
    assert source["url"] == "/help/shipping#shipping-costs"
    assert source["description"].startswith("Standard shipping costs $4.95.")


async def test_an_answer_is_short(knowledge: Knowledge) -> None:
    for question, _, _ in ANSWERABLE:
        answer = await ask(knowledge, question)
        assert len(answer.cites) <= 3
        prose = re.sub(r"```.*?```", "", answer.text, flags=re.DOTALL)
        assert len(prose.split()) <= 220, question


async def test_code_that_belongs_to_the_answer_is_quoted_whole(knowledge: Knowledge) -> None:
    answer = await ask(knowledge, "How do I verify a webhook signature?")
    assert "```python\nimport hashlib\nimport hmac\n\nexpected" in answer.text
    position, _ = answer.cites[0]
    assert answer.text[:position].endswith("with your webhook secret:")


async def test_of_a_large_table_only_the_rows_asked_for_are_shown(knowledge: Knowledge) -> None:
    answer = await ask(knowledge, "How long does delivery to Australia take?")
    assert "| Australia | 10–15 working days | not offered |" in answer.text
    assert "| Destination | Standard | Express |" in answer.text
    assert "| Canada" not in answer.text


async def test_it_streams_at_once_and_in_small_pieces(knowledge: Knowledge) -> None:
    for question in ("How do I return a parcel?", "Place an order by API", "hello", "kayaks?"):
        answer = await ask(knowledge, question, pause=0.012)
        assert all(len(piece) < 200 for piece in answer.pieces)
        assert answer.seconds < 1.5
    assert len((await ask(knowledge, "How do I return a parcel?")).pieces) > 8


@pytest.mark.parametrize(
    "greeting", ["hi", "Hello!", "Good morning", "What can you do?", "hey there"]
)
async def test_a_greeting_gets_what_it_can_do(knowledge: Knowledge, greeting: str) -> None:
    answer = await ask(knowledge, greeting)
    assert answer.text.startswith("Hello! Ask me anything")
    assert not answer.cites


@pytest.mark.parametrize("thanks", ["thanks!", "ok thank you so much", "Great, thanks", "bye"])
async def test_thanks_are_not_searched_for(knowledge: Knowledge, thanks: str) -> None:
    assert (await ask(knowledge, "How much is shipping?", thanks)).text.startswith("You’re welcome")


async def test_without_pages_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    empty = await Knowledge.from_folder(tmp_path / "none", index=tmp_path / "k.db")
    for knowledge in (None, empty):
        answer = await ask(knowledge, "How much is shipping?")
        assert "have not been given any pages" in answer.text
        assert not answer.cites
    await empty.close()


async def test_selected_text_is_what_is_asked_about(knowledge: Knowledge) -> None:
    selected = "Send an Idempotency-Key with every order"
    answer = await ask(knowledge, "What does this mean?", quoted=selected, page="/api/quickstart")
    assert answer.pages[0] == "/api/quickstart"
    assert "gives back the first order" in answer.plain
    answer = await ask(knowledge, "Does this wear out?", quoted="the water-repellent coating")
    assert answer.pages[0] == "/products/care"
    answer = await ask(knowledge, "", quoted="buckles for packs made before 2015")
    assert "no longer available" in answer.plain


async def test_the_page_one_is_on_answers_first(knowledge: Knowledge) -> None:
    for page, fact in (("/products/lark-tent", "1.9 kg"), ("/products/ridge-45", "1,380 grams")):
        answer = await ask(knowledge, "How much does it weigh?", page=f"https://x.example{page}")
        assert fact in answer.plain
        assert answer.pages[0] == page


async def test_the_title_is_the_question(knowledge: Knowledge) -> None:
    answerer = ExtractAnswerer(knowledge)
    store = MemoryStore.from_spec("memory")
    message: JsonObject = {
        "id": "m",
        "content": [{"type": "input_text", "text": "hi, how much is shipping?"}],
    }
    question = Question(Thread("t", now()), message, RequestContext(CALLER), store)
    assert await answerer.title(question) == "How much is shipping"
    empty = Question(
        Thread("t", now()),
        {**message, "content": [], "quoted_text": "A tent"},
        question.context,
        store,
    )
    assert await answerer.title(empty) == "A tent"
