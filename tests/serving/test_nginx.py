"""Behind a real nginx: the configuration we ship, and those we do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.client import Visitor, message, text_of
from tests.servers.forked import ForkedServer, forked_server
from tests.servers.forked_child import numbered
from tests.services.nginx import Nginx, shipped
from tests.services.running import free_port

PLAIN = "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {server}; {big} {more} }} }}"
BIG = "proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 64k;"
GZIP = (
    "proxy_http_version 1.1; gzip on; gzip_proxied any; gzip_min_length 0; "
    "gzip_types text/event-stream;"
)
DEAF = "proxy_ignore_headers X-Accel-Buffering;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedServer]:
    home = tmp_path_factory.mktemp("home")
    with forked_server({"home": home}, answerer="brisk") as running:
        yield running


def head_start(url: str) -> float:
    """Seconds from the first word to the last, of an answer that takes 0.8 s to write."""
    visitor = Visitor(url)
    events, first = [], 0.0
    with visitor.streaming("threads.create", input=message("hi")) as stream:
        for event in stream:
            events.append(event)
            if not first and "delta" in event.get("update", {}):
                first = time.monotonic()
    visitor.close()
    assert text_of(events) == "".join(numbered(40))
    return time.monotonic() - first


def test_the_shipped_configuration_is_right_for_nginx(tmp_path: Path) -> None:
    port = free_port()
    said = Nginx(tmp_path, shipped([8001, 8002, 8003], port=port), port=port).check()
    assert "warn" not in said


@pytest.mark.parametrize("more", ["ours", "", GZIP], ids=["ours", "http1.0", "gzip"])
def test_words_come_through_nginx_as_they_are_written(
    tmp_path: Path, server: ForkedServer, more: str
) -> None:
    port = free_port()
    plain = PLAIN.format(port=port, server=server.url, big=BIG, more=more)
    nginx = Nginx(
        tmp_path, shipped([server.port], port=port) if more == "ours" else plain, port=port
    )
    nginx.start()
    try:
        assert head_start(nginx.url) > 0.4
    finally:
        nginx.kill()


def test_an_nginx_that_is_told_to_buffer_does_so(tmp_path: Path, server: ForkedServer) -> None:
    """Or the test above would pass whatever we sent."""
    port = free_port()
    text = PLAIN.format(port=port, server=server.url, big=BIG, more=GZIP + DEAF)
    nginx = Nginx(tmp_path, text, port=port)
    nginx.start()
    try:
        assert head_start(nginx.url) < 0.4
    finally:
        nginx.kill()


@pytest.mark.parametrize(("trusted", "scheme"), [("127.0.0.1", "https"), ("10.0.0.0/8", "http")])
def test_links_and_cookies_know_of_https_only_from_a_trusted_proxy(
    tmp_path: Path, trusted: str, scheme: str
) -> None:
    port = free_port()
    with forked_server({"home": tmp_path, "trusted_proxies": trusted}) as server:
        text = shipped([server.port], port=port, changes={"$scheme": "https"})
        nginx = Nginx(tmp_path / "nginx", text, port=port)
        nginx.start()
        try:
            with httpx.Client(base_url=nginx.url, headers={"host": "chat.example"}) as client:
                params = {"name": "a.txt", "size": 3, "mime_type": "text/plain"}
                body = {"type": "attachments.create", "params": params}
                response = client.post("/chatkit", json=body)
        finally:
            nginx.kill()
    upload = response.json()["upload_descriptor"]["url"]
    assert upload.startswith(f"{scheme}://chat.example/uploads/")
    assert ("secure" in response.headers["set-cookie"].lower()) is (scheme == "https")


def test_an_upload_of_the_largest_size_comes_through(tmp_path: Path, server: ForkedServer) -> None:
    port = free_port()
    nginx = Nginx(tmp_path, shipped([server.port], port=port), port=port)
    nginx.start()
    try:
        visitor = Visitor(nginx.url)
        for size, status in ((25_000_000, 200), (25_000_001, 413)):
            files = {"file": ("a.txt", b"a" * size, "text/plain")}
            assert visitor.http.post("/uploads", files=files).status_code == status
        visitor.close()
    finally:
        nginx.kill()
