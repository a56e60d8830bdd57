"""The demo site in a real browser, under the policy it is meant to be served with."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

from parlour.site import CONTENT_SECURITY_POLICY, Response, Site

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "tests" / "knowledge" / "site"
AXE = ROOT / "widget" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    site = Site.from_folder(SHOP)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            script = Response(200, "text/javascript", b"window.launched = true;")
            status, kind, body = script if path == "/parlour.js" else site.get(path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        yield opened
        await opened.close()


async def visit(
    browser: Browser, url: str, *, width: int = 1280, scheme: str = "light"
) -> tuple[Page, list[str]]:
    """The page, and a list that fills with whatever the browser complains about."""
    page = await browser.new_page(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page, complaints


async def test_the_policy_is_kept_and_the_chat_is_put_on_the_page(
    browser: Browser, address: str
) -> None:
    page, complaints = await visit(browser, f"{address}/api/quickstart")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.reload()
    assert await page.evaluate("window.launched") is True
    assert complaints == []
    assert all(url.startswith((address, "data:")) for url in asked)


async def test_the_chosen_theme_stays(browser: Browser, address: str) -> None:
    page, _ = await visit(browser, address)
    shade = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(shade)
    await page.get_by_role("button", name="Dark theme").click()
    dark = await page.evaluate(shade)
    assert dark != light
    await page.goto(f"{address}/help/shipping")
    assert await page.evaluate(shade) == dark
    assert (
        await page.get_by_role("button", name="Dark theme").get_attribute("aria-pressed") == "true"
    )
    other, _ = await visit(browser, address, scheme="dark")
    assert await other.evaluate(shade) == dark


async def test_on_a_phone_the_menu_opens_and_closes(browser: Browser, address: str) -> None:
    page, complaints = await visit(browser, f"{address}/help/shipping", width=320)
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    link = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Sizes")
    assert not await link.is_visible()
    button = page.get_by_role("button", name="Menu")
    await button.click()
    await link.wait_for(state="visible")
    await page.keyboard.press("Escape")
    await link.wait_for(state="hidden")
    assert await button.evaluate("button => button === document.activeElement")
    await button.click()
    await link.click()
    await page.wait_for_url("**/products/sizes")
    assert complaints == []


async def test_a_link_of_a_citation_leads_to_its_heading(browser: Browser, address: str) -> None:
    page, _ = await visit(browser, f"{address}/help/returns#what-cannot-be-returned")
    box = await page.get_by_role("heading", name="What cannot be returned").bounding_box()
    assert box is not None
    assert 60 <= box["y"] < 800
    here = page.get_by_role("complementary", name="On this page").locator(".here")
    assert await here.inner_text() == "What cannot be returned"


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
async def test_nobody_is_shut_out(browser: Browser, address: str, scheme: str, width: int) -> None:
    for path in (
        "/",
        "/help/shipping",
        "/help/returns",
        "/api/quickstart",
        "/products/care",
        "/none",
    ):
        page, _ = await visit(browser, f"{address}{path}", width=width, scheme=scheme)
        await page.evaluate(AXE.read_text("utf-8"))
        found = await page.evaluate("axe.run()")
        problems = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
        assert problems == [], path
        await page.close()
