"""The demo site's pages, under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from parlour.site import CONTENT_SECURITY_POLICY, Site


@dataclass(frozen=True, slots=True)
class SiteRoutes:
    """Every address that nothing else answers."""

    site: Site

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/{path:path}", self.page, methods=["GET", "HEAD"])
        return router

    async def page(self, path: str) -> Response:
        """A page, a picture, or a 404 page with the navigation."""
        found = await self.site.respond(f"/{path}")
        headers = {
            "content-security-policy": CONTENT_SECURITY_POLICY,
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
        }
        return Response(found.body, found.status, headers, found.content_type)
