"""The React app in tests/react-app, built when its sources have changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

APP = Path(__file__).parents[1] / "react-app"
DIST = APP / "dist"
SOURCES = ("package.json", "package-lock.json", "index.html", "vite.config.ts", "src")


def built() -> Path:
    """The folder of the built app; installs its npm packages first when they are not there."""
    stamp = DIST / ".built"
    with (APP / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test run has several processes
        current = _checksum()
        if not stamp.is_file() or stamp.read_text() != current:
            if not (APP / "node_modules" / ".bin" / "vite").exists():
                _npm("ci", "--no-audit", "--no-fund")
            _npm("run", "build")
            stamp.write_text(current)
    return DIST


def _checksum() -> str:
    files = [
        file
        for name in SOURCES
        for file in ([APP / name] if (APP / name).is_file() else sorted((APP / name).rglob("*")))
    ]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(f"{file.relative_to(APP)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _npm(*arguments: str) -> None:
    environment = {**os.environ, "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    done = subprocess.run(
        ["npm", *arguments, "--loglevel=error"],
        cwd=APP,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"npm {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
