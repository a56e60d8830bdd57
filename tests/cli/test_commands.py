"""The commands as a person runs them: real processes, real output."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

PAGES = Path(__file__).parent.parent / "knowledge/site"
PARLOUR = [sys.executable, "-m", "parlour.cli"]
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PARLOUR_", "OPENAI_")) and name not in ("HOST", "PORT")
}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PARLOUR, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def running(*arguments: str, cwd: Path, **extra: str) -> Iterator[tuple[str, str]]:
    """A server command's address and what it printed, from its start to its clean end."""
    process = subprocess.Popen(
        [*PARLOUR, *arguments],
        cwd=cwd,
        env={**ENVIRONMENT, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if found := re.search(r"http://[\w.]+:\d+", line):
                yield found[0], printed
                break
        else:
            pytest.fail(f"it never said where it listens:\n{printed}")
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert "Traceback" not in printed + rest
    assert process.returncode in (0, -signal.SIGINT), rest


def test_ask_answers_with_numbered_sources(tmp_path: Path) -> None:
    done = run("ask", "How long do I have to return something?", "--docs", str(PAGES), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "45 days" in done.stdout
    assert re.search(r"\[1\] Returns and refunds +/help/returns#", done.stdout)
    assert "\x1b" not in done.stdout


def test_ask_speaks_json_to_machines(tmp_path: Path) -> None:
    question = "How long do I have to return something?"
    done = run("ask", question, "--json", "--docs", str(PAGES), cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert "45 days" in answer["answer"]
    assert answer["sources"][0]["url"].startswith("/help/returns#")


def test_dev_says_what_it_found_and_shows_the_pages_with_the_chat(tmp_path: Path) -> None:
    with running("dev", "--docs", str(PAGES), "--port", "0", cwd=tmp_path) as (url, printed):
        assert re.search(r"\d+ pages, \d+ passages from .* in \d+\.\d s", printed)
        assert "no model is configured" in printed
        assert "sqlite:///.parlour/parlour.db" in printed
        page = wait(url)
        assert "parlour.js" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert (tmp_path / ".parlour/parlour.db").exists()


def test_serve_has_no_demo_site_and_warns_about_the_secret(tmp_path: Path) -> None:
    with running("serve", "--port", "0", cwd=tmp_path) as (url, printed):
        assert "PARLOUR_SECRET is not set" in printed
        assert wait(f"{url}/health").json()["status"] == "ok"
        assert httpx.get(url).status_code == 404


def test_several_workers_need_redis(tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "--workers", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".parlour").exists()


def wait(url: str) -> httpx.Response:
    end = time.monotonic() + 60
    while True:
        try:
            return httpx.get(url, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dev", "--docs", "nowhere"), "nowhere"),
        (("ask", "hi", "--docs", "nowhere"), "nowhere"),
        (("serve", "nomodule:server"), "nomodule"),
        (("serve", "json:nothing"), "nothing"),
        (("serve", "json:loads"), "loads"),
    ],
)
def test_a_mistake_is_one_line_and_its_next_step(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments, *([] if arguments[0] == "ask" else ["--port", "0"]), cwd=tmp_path)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert said in done.stderr
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("dev", "--docs", str(PAGES), "--port", port, cwd=tmp_path)
    assert done.returncode == 2
    assert "--port 0" in done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "parlour.toml").write_text("history_items = 0\n")
    done = run("ask", "hi", "--docs", str(PAGES), cwd=tmp_path)
    assert done.returncode == 2
    assert "history_items" in done.stderr
