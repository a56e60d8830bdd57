"""Everything lives under the prefix, however it is written, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from parlour.app import create_app
from parlour.settings import Settings
from parlour.site import Site
from tests.http.pictures import PNG
from tests.servers.answerers import Scripted
from tests.servers.client import Visitor, message
from tests.servers.serving import serving

PAGES = Path(__file__).parents[1] / "knowledge" / "site"


@pytest.mark.parametrize("written", ["/a/chat", "/a/chat/", "a/chat", " a//chat "])
def test_every_address_is_under_the_prefix(tmp_path: Path, written: str) -> None:
    settings = Settings(home=tmp_path, prefix=written)
    assert settings.prefix == "/a/chat"
    site = Site.from_folder(PAGES, prefix=settings.prefix)
    with serving(create_app(settings, answerer=Scripted(), site=site)) as url:
        visitor = Visitor(f"{url}/a/chat")
        made = visitor.json(
            "attachments.create", name="a.png", size=len(PNG), mime_type="image/png"
        )
        upload = made["upload_descriptor"]
        assert upload["url"].startswith(f"{visitor.url}/uploads/")
        assert made["preview_url"].startswith(f"{visitor.url}/files/")
        assert visitor.http.put(upload["url"], content=PNG).status_code == 200
        assert visitor.http.get(made["preview_url"]).content
        given = message("look") | {"attachments": [made["id"]]}
        turn = visitor.post("threads.create", input=given).headers["parlour-turn"]
        assert visitor.http.get(f"/chatkit/turns/{turn}").status_code == 200
        for path in ("/", "/health", "/chatkit.js"):
            assert visitor.http.get(path).status_code == 200
        assert "/a/chat/parlour.js" in visitor.http.get("/").text
        for path in ("/", "/health", "/chatkit.js", "/chatkit"):
            assert httpx.get(f"{url}{path}").json()["error"]["code"] == "not_found"
        visitor.close()


@pytest.mark.parametrize("written", ["/{a}", "/a b", "/é", "/a?b", "https://a"])
def test_a_prefix_that_is_no_path_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="such as /chat"):
        Settings(prefix=written)


@pytest.mark.parametrize(
    "path", ["/%00", "/" + "a" * 5000, "/..%2f..%2fpyproject.toml", "/%ff.png", "/.env", "/%2e%2e/"]
)
def test_the_demo_site_gives_away_nothing_but_its_pages(tmp_path: Path, path: str) -> None:
    app = create_app(Settings(home=tmp_path), answerer=Scripted(), site=Site.from_folder(PAGES))
    with serving(app) as url:
        response = httpx.get(f"{url}{path}")
    assert response.status_code == 404
    assert response.headers["content-security-policy"]
