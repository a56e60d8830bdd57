"""Takes the pictures of docs/images: a question answered on the demo site, by day and by night."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.servers.serving import serving

from parlour.app import create_app
from parlour.settings import Settings
from parlour.site import Site

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = ROOT / "tests" / "knowledge" / "site"
IMAGES: Final = ROOT / "docs" / "images"
QUESTION: Final = "I have no printer, how do I return a parcel?"


@dataclass(frozen=True)
class Picture:
    """A screen, and what is shown on it."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int
    phone: bool = False


PICTURES: Final = (
    Picture("desktop-light", "light", 1280, 800),
    Picture("desktop-dark", "dark", 1280, 800),
    Picture("phone-light", "light", 375, 812, phone=True),
    Picture("phone-dark", "dark", 375, 812, phone=True),
)


def ask(page: Page) -> None:
    """Opens the chat, asks, and waits until the answer is there and nothing moves any more."""
    page.get_by_role("button", name="Ask a question").click()
    composer = page.get_by_role("textbox", name="Message")
    composer.fill(QUESTION)
    composer.press("Enter")
    expect(page.get_by_role("article", name="Assistant").get_by_role("link").first).to_be_visible()
    expect(page.get_by_role("button", name="Stop answering")).to_have_count(0)
    page.evaluate("document.fonts.ready")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)


def take(browser: Browser, url: str, picture: Picture, folder: Path) -> None:
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
        is_mobile=picture.phone,
        has_touch=picture.phone,
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = context.new_page()
    page.goto(f"{url}/products/ridge-45")
    ask(page)
    path = folder / f"{picture.name}.png"
    page.screenshot(path=path, caret="hide")
    print(f"{path}  {path.stat().st_size // 1000} kB")
    context.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        settings = Settings(home=Path(home), docs=PAGES, answer="extract")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        with serving(create_app(settings, site=Site.from_folder(PAGES))) as url:
            for picture in PICTURES:
                take(browser, url, picture, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
