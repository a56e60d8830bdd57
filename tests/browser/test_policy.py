"""No other host, no script from elsewhere, nothing a stranger writes is ever run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from parlour.answer.base import AnswerEvent, Cite, Notice, Progress, Question, Text, ThreadChange
from parlour.app import create_app
from parlour.settings import Settings
from parlour.site import CONTENT_SECURITY_POLICY
from tests.browser.conftest import Newcomer, Stage
from tests.browser.pages import BARE, WithPages
from tests.browser.visit import Visit
from tests.servers.answerers import Scripted
from tests.servers.serving import serving

SCRIPTED = """window.ran = []; window.run = (what) => ran.push(what);
window.alert = window.confirm = window.prompt = run;"""

EVIL = """<img src=x onerror="run('{0} image')"><script>run('{0} script')</script>\
<svg onload="run('{0} svg')"></svg><iframe srcdoc="<script>parent.run('{0} frame')</script>"></iframe>"""

MARKDOWN = f"""# {EVIL.format("heading")}

{EVIL.format("block")}

<a href="javascript:run('html link')" onclick="run('html click')">html link</a>

[link](javascript:run('link')) and [spaced](java&#10;script:run('spaced')) and
[entity](&#106;avascript:run('entity')) and [upper](JaVaScRiPt:run('upper')) and
[data](data:text/html;base64,PHNjcmlwdD5vcGVuZXIucnVuKCdkYXRhJyk8L3NjcmlwdD4=) and
[vb](vbscript:run('vb')) and <javascript:run('auto')> and [file](file:///etc/passwd) and
[blob](blob:http://localhost/x) and [title](/help "\\" onmouseover=\\"run('title')") and
[reference][evil] and javascript:run('bare')

![image](javascript:run('image')) ![out](https://elsewhere.example/spy.png)
![attribute](x" onerror="run('attribute')) ![data](data:image/svg+xml,<svg onload=run('dataimage')>)

| {EVIL.format("cell")} | `<script>run('code')</script>` |
|---|---|
| [cell](javascript:run('cell link')) | x |

```html"><script>run('language')</script>
{EVIL.format("fence")}
```

[evil]: javascript:run('reference')
"""


async def answer(question: Question) -> AsyncIterator[AnswerEvent]:
    """Everything an answer can carry, by somebody who wants to run something."""
    yield ThreadChange({"title": EVIL.format("title")})
    yield Progress(EVIL.format("progress"), icon="\"><script>run('icon')</script>")
    yield Notice("warning", EVIL.format("notice") + " [n](javascript:run('notice link'))", "<b>t")
    # In pieces, because half a tag may be drawn before the other half is there.
    for at in range(0, len(MARKDOWN), 7):
        yield Text(MARKDOWN[at : at + 7])
    for url in ("javascript:run('source')", "data:text/html,<script>run('d')</script>", "//x\\@y"):
        yield Cite({"type": "url", "title": EVIL.format("source"), "url": url})
    yield Cite({"type": "file", "title": EVIL.format("file"), "filename": EVIL.format("name")})


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with the launcher and no policy that would save it."""
    settings = Settings(home=tmp_path_factory.mktemp("evil"))
    with serving(WithPages(create_app(settings, answerer=Scripted(answer)), BARE)) as url:
        yield url


def provoke(visit: Visit) -> None:
    """Asks, then clicks whatever can be clicked in the answer."""
    visit.context.add_init_script(SCRIPTED)
    visit.page.reload()
    chat = visit.chat.open()
    chat.ask_and_wait(EVIL.format("question"))
    expect(chat.questions).to_have_text(EVIL.format("question"))
    for _ in range(2):
        root = chat.root
        expect(
            root.locator("script, iframe, object, embed, img, form[action], base")
        ).to_have_count(0)
        expect(root.locator("[onerror], [onload], [onclick], [onmouseover]")).to_have_count(0)
        for link in root.locator("a").all():
            address = str(link.evaluate("link => link.href"))
            assert urlsplit(address).scheme in ("http", "https", ""), address
        visit.page.reload()
        expect(chat.questions).to_have_count(1)
        chat.wait_until_idle()
    for element in chat.answers.locator("a, button.cite, button.source").all():
        element.evaluate("element => element.removeAttribute('target')")
    for element in chat.answers.locator("button.cite, button.source").all():
        element.click()
    expect(chat.show_history().locator("button.open")).to_contain_text("<script>")
    assert visit.page.evaluate("ran") == []


def test_nothing_that_a_visitor_or_an_answer_writes_is_run(
    newcomer: Newcomer, unguarded: str
) -> None:
    provoke(newcomer(f"{unguarded}/open/"))


def test_under_the_demo_sites_policy_nothing_even_tries(newcomer: Newcomer, stage: Stage) -> None:
    stage.answerer.answer_with = answer
    provoke(newcomer(stage.url))


def test_the_demo_site_lets_nothing_in_that_it_does_not_need(stage: Stage) -> None:
    for path in ("/", "/help/shipping", "/nowhere"):
        policy = httpx.get(stage.url + path).headers["content-security-policy"]
        assert policy == CONTENT_SECURITY_POLICY
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "*" not in policy


def test_a_whole_visit_asks_no_other_host_and_breaks_no_rule(newcomer: Newcomer, shop: str) -> None:
    """What the visit would have done wrong fails it when it ends."""
    visit = newcomer(shop)
    chat = visit.chat.open()
    chat.ask_and_wait("How long does standard delivery take?")
    chat.sources.first.click()
    visit.page.wait_for_url("**/help/**")
    expect(chat.answers).to_have_count(1)
    visit.page.get_by_role("button", name="Dark theme").click()
    chat.answers.get_by_role("button", name="Copy").first.click()
    chat.answers.get_by_role("button", name="Bad answer").click()
    chat.answers.get_by_role("button", name="Answer again").click()
    expect(chat.stop).to_have_count(0)
    chat.show_history().get_by_role("button", name="Rename").click()
    visit.page.keyboard.type("Delivery")
    visit.page.keyboard.press("Enter")
    expect(chat.history.locator("button.open")).to_have_text("Delivery")
    chat.history.get_by_role("button", name="Close").click()
    visit.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Sizes").click()
    expect(visit.page).to_have_url(f"{shop}/products/sizes")
    expect(chat.words).to_have_count(1)
    hosts = {urlsplit(address).netloc for address in visit.requests} - {""}
    assert hosts == {urlsplit(shop).netloc}
