"""The element's files as a browser gets them."""

from __future__ import annotations

import gzip
import re

import brotli
import httpx
import pytest


@pytest.mark.parametrize("name", ["chatkit.js", "parlour.js"])
def test_a_script_is_compressed_and_asked_for_again_each_time(url: str, name: str) -> None:
    plain = httpx.get(f"{url}/{name}", headers={"accept-encoding": "identity"})
    assert plain.status_code == 200
    assert plain.headers["content-type"].startswith("text/javascript")
    assert plain.headers["cache-control"] == "no-cache"
    for encoding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        with httpx.stream("GET", f"{url}/{name}", headers={"accept-encoding": encoding}) as packed:
            assert packed.headers["content-encoding"] == encoding
            assert unpack(b"".join(packed.iter_raw())) == plain.content
    again = httpx.get(
        f"{url}/{name}",
        headers={"accept-encoding": "identity", "if-none-match": plain.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")


def test_chunks_have_hashed_names_and_never_change(url: str) -> None:
    script = httpx.get(f"{url}/chatkit.js").text
    chunks = set(re.findall(r"assets/[\w.-]+\.js", script))
    assert chunks
    for chunk in chunks:
        response = httpx.get(f"{url}/{chunk}")
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/assets/../../app.py", "/assets/%2e%2e%2fapp.py", "/assets/x.js"]
)
def test_nothing_but_the_elements_own_scripts_is_served(url: str, path: str) -> None:
    assert httpx.get(f"{url}{path}").status_code == 404
