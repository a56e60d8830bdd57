"""``GET /health``: whether this server can do its work, and why not."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from parlour import __version__
from parlour.errors import ParlourError
from parlour.stores.base import Store


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    """200 when the database answers, 503 with the reason when it does not."""

    store: Store

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/health", self.health, methods=["GET", "HEAD"])
        return router

    async def health(self) -> Response:
        """The state of everything this server depends on."""
        started = time.perf_counter()
        check: dict[str, object] = {"ok": True}
        try:
            await self.store.check()
        except ParlourError as error:
            check = {"ok": False, "reason": error.message, "hint": error.hint}
        check["ms"] = round((time.perf_counter() - started) * 1000, 2)
        body = {
            "status": "ok" if check["ok"] else "down",
            "version": __version__,
            "checks": {"database": check},
        }
        return JSONResponse(body, 200 if check["ok"] else 503, {"cache-control": "no-store"})
