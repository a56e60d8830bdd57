"""``GET /health``: whether this server can do its work, and why not."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from parlour import __version__
from parlour.errors import ParlourError
from parlour.stores.base import Store
from parlour.turnlog.base import TurnLog


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    """200 when the database and the turn log answer, 503 with the reason when one does not."""

    store: Store
    turnlog: TurnLog | None = None

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/health", self.health, methods=["GET", "HEAD"])
        return router

    async def health(self) -> Response:
        """The state of everything this server depends on."""
        checks = {"database": await _check(self.store.check)}
        if self.turnlog is not None:
            checks["turnlog"] = await _check(self.turnlog.healthy)
        ok = all(check["ok"] for check in checks.values())
        body = {"status": "ok" if ok else "down", "version": __version__, "checks": checks}
        return JSONResponse(body, 200 if ok else 503, {"cache-control": "no-store"})


async def _check(ask: Callable[[], Awaitable[None]]) -> dict[str, object]:
    started = time.perf_counter()
    check: dict[str, object] = {"ok": True}
    try:
        await ask()
    except ParlourError as error:
        check = {"ok": False, "reason": error.message, "hint": error.hint}
    check["ms"] = round((time.perf_counter() - started) * 1000, 2)
    return check
