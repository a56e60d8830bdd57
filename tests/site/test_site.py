"""The demo site: pages, navigation, links and files of one folder, and nothing else."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from parlour.errors import ConfigurationError
from parlour.knowledge import Knowledge
from parlour.site import Site
from tests.answer.test_extract import ask

SHOP = Path(__file__).parent.parent / "knowledge" / "site"


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def page(root: Path, path: str = "/", prefix: str = "") -> str:
    html = Site.from_folder(root, prefix=prefix).render(path)
    assert html is not None
    return html


def article(html: str) -> str:
    return html.partition('<article class="prose">')[2].partition("</article>")[0]


def test_every_page_of_the_folder_is_served_and_in_the_navigation() -> None:
    site = Site.from_folder(SHOP)
    nodes = list(site.pages.pages())
    assert len(nodes) == 15
    for node in nodes:
        assert node.page is not None
        answer = site.get(node.page)
        assert answer.status == 200
        assert answer.content_type == "text/html; charset=utf-8"
        assert f'aria-current="page">{node.title}</a>' in answer.body.decode()


def test_pages_stand_in_their_authors_order_and_the_index_first() -> None:
    site = Site.from_folder(SHOP)
    assert site.title == "Fernwood Help"
    assert [node.title for node in site.pages.children] == [
        "Fernwood Help",
        "Sustainability",
        "API",
        "Help",
        "Products",
    ]
    assert [node.title for node in site.pages.children[3].children][:3] == [
        "Shipping",
        "Returns and refunds",
        "Orders and payment",
    ]


async def test_the_anchor_of_every_passage_is_on_its_page(tmp_path: Path) -> None:
    site = Site.from_folder(SHOP)
    knowledge = await Knowledge.from_folder(SHOP, index=tmp_path / "k.db")
    seen = 0
    for query in ("shipping", "returns", "jacket", "tent", "api key", "errors", "pack", "order"):
        for hit in await knowledge.search(query, limit=20):
            path, _, anchor = hit.passage.url.partition("#")
            html = site.render(path)
            assert html is not None
            if anchor:
                assert f'id="{anchor}"' in html
                seen += 1
    await knowledge.close()
    assert seen > 40


def test_links_between_files_become_links_between_pages(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        index_dot_md="[a](guide/start.md#step) [b](/guide/start) [c](https://else.example/x) ![i](pic.png)",
        guide__start_dot_md="[up](../index.md) [here](./start.md) [folder](.) [gone](nowhere.md) [top](#x)",
        guide__index_dot_md="# Guide",
    )
    home = article(page(root, "/", "/chat"))
    assert 'href="/chat/guide/start#step"' in home
    assert 'href="/chat/guide/start"' in home
    assert 'href="https://else.example/x"' in home
    assert 'src="/chat/pic.png"' in home
    start = article(page(root, "/guide/start", "/chat"))
    for target in ("/chat/", "/chat/guide/start", "/chat/guide/", "/chat/guide/nowhere.md", "#x"):
        assert f'href="{target}"' in start


def test_nothing_in_a_page_can_run(tmp_path: Path) -> None:
    hostile = (
        "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> [x](javascript:alert(1)) "
        "[y](<java\tscript:alert(1)>) ![z](https://else.example/p.png)\n\n"
        '# A <b onclick="x()">bold</b> {#"onload=x}\n\n```"><script>\nx\n```\n\n<!-- hidden -->\n'
    )
    html_file = (
        "<main><h1 id='a\" onload=x'>T</h1><p style='color:red' onclick=x()>p</p><svg onload=x></svg>"
        "<a href='jav&#10;ascript:x'>l</a><a href='  JAVASCRIPT:x'>m</a><a href='data:text/html,x'>d</a>"
        "<img src='https://else.example/p.png'><form action='//evil'><input></form><iframe src=x></iframe>"
        "<style>*{}</style><math><mi>x</mi></math><object data=x></object></main>"
    )
    root = write(tmp_path, a_dot_md=hostile, b_dot_html=html_file)
    (tmp_path / "c.txt").write_text("</pre><script>alert(1)</script>")
    for path in ("/a", "/b", "/c"):
        html = article(page(root, path))
        tags = re.findall(r"<[^>]*>", html)
        assert not any(
            re.search(r"<(?:script|iframe|svg|style|form|object|input)\b", tag) for tag in tags
        )
        assert not any(
            re.search(r"""\son\w+\s*=(?=(?:[^"]*"[^"]*")*[^"]*$)""", tag) for tag in tags
        )
        assert not any("javascript:" in tag.lower() or "data:" in tag for tag in tags)
        assert not any("else.example" in tag for tag in tags if tag.startswith("<img"))
        assert " style=" not in html


def test_no_page_carries_inline_script_or_style() -> None:
    html = page(SHOP, "/api/quickstart")
    assert "<style" not in html
    assert " style=" not in html
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.search(r" on\w+=", html) is None


def test_files_outside_the_folder_and_hidden_ones_are_not_served(tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"secret")
    root = tmp_path / "docs"
    write(root, index_dot_md="# Hi", sub__code_dot_py="x = 1")
    (root / ".env.png").write_bytes(b"secret")
    (root / ".git").mkdir()
    (root / ".git" / "a.png").write_bytes(b"secret")
    (root / "link.png").symlink_to(outside)
    (root / "ok.png").write_bytes(b"\x89PNG")
    site = Site.from_folder(root)
    assert site.get("/ok.png").status == 200
    assert site.get("/ok.png").content_type == "image/png"
    for path in (
        "/../secret.png",
        "/sub/../../secret.png",
        "//../secret.png",
        "/..\\secret.png",
        "/link.png",
        "/.env.png",
        "/.git/a.png",
        "/sub/code.py",
        "/ok.png\0",
        "/_site/../site.py",
        "/_site/nothing.css",
    ):
        answer = site.get(path)
        assert answer.status == 404, path
        assert b"secret" not in answer.body


def test_the_page_that_is_not_there_still_has_the_navigation() -> None:
    answer = Site.from_folder(SHOP).get("/no/such/page")
    assert answer.status == 404
    assert b"Page not found" in answer.body
    assert b"Returns and refunds" in answer.body


def test_a_folder_without_an_index_gets_an_overview_as_its_home(tmp_path: Path) -> None:
    root = write(tmp_path, b_dot_md="# Beta", a_dot_md="# Alpha", deep__c_dot_txt="hello")
    site = Site.from_folder(root, title="Things")
    home = article(site.get("/").body.decode())
    assert "<h1>Things</h1>" in home
    assert [home.index(word) for word in ("Alpha", "Beta", "Deep")] == sorted(
        home.index(word) for word in ("Alpha", "Beta", "Deep")
    )


def test_an_empty_folder_is_a_site_too_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert Site.from_folder(tmp_path).get("/").status == 200
    with pytest.raises(ConfigurationError, match="no folder"):
        Site.from_folder(tmp_path / "nothing")


def test_markdown_looks_as_on_github(tmp_path: Path) -> None:
    text = (
        "# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n\n~~old~~ https://example.org/x\n\n"
        "> [!WARNING]\n> Hot.\n\n:::tip[Mind] \nCool.\n:::\n\n```python\nimport os\n```\n\n"
        "A<br>B <kbd>K</kbd>\n"
    )
    html = article(page(write(tmp_path, a_dot_md=text), "/a"))
    for part in (
        "<table>",
        'type="checkbox" checked',
        "<s>old</s>",
        '<a href="https://example.org/x">',
        "markdown-alert-warning",
        '<p class="markdown-alert-title">Mind</p>',
        '<span class="kn">import</span>',
        "A<br>B <kbd>K</kbd>",
    ):
        assert part in html


def test_mdx_shows_its_text_and_hides_its_machinery() -> None:
    html = article(page(SHOP, "/products/lark-tent"))
    assert "Never cook inside the tent" in html
    for machinery in ("import", "export", "season:", "Callout", "Tabs", "checked on the scale"):
        assert machinery not in html


def test_the_source_of_a_page_can_be_read_as_text() -> None:
    answer = Site.from_folder(SHOP).get("/help/shipping.md")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.body == (SHOP / "help" / "shipping.md").read_bytes()


def test_an_edited_page_is_shown_as_it_is_now(tmp_path: Path) -> None:
    site = Site.from_folder(write(tmp_path, a_dot_md="# One"))
    assert "One" in (site.render("/a") or "")
    (tmp_path / "a.md").write_text("# Two")
    assert "Two" in article(site.render("/a") or "")
    (tmp_path / "a.md").unlink()
    assert site.get("/a").status == 404


async def test_every_prompt_of_the_start_screen_gets_an_answer(tmp_path: Path) -> None:
    knowledge = await Knowledge.from_folder(SHOP, index=tmp_path / "k.db")
    html = page(SHOP)
    found = re.search(r'data-prompts="([^"]*)"', html)
    assert found is not None
    prompts = json.loads(unescape(found.group(1)))
    assert len(prompts) == 4
    for prompt in prompts:
        answer = await ask(knowledge, prompt["prompt"])
        assert not answer.refused, prompt
    await knowledge.close()


def test_a_title_or_heading_with_markup_is_shown_as_text(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        index_dot_md='---\ntitle: "<script>x</script>"\ndescription: \'"><b>\'\n---\n'
        '## `<a>` & "b"\n\n## Other\n',
    )
    html = page(root)
    assert "<script>x" not in html
    assert '"><b>' not in html
    assert "&lt;a&gt;" in html


async def test_a_page_is_rendered_off_the_event_loop() -> None:
    answer = await Site.from_folder(SHOP).respond("/help/shipping")
    assert answer.status == 200
    assert b'id="delivery-times"' in answer.body
