"""The demo site: a folder of pages as a small documentation site with the chat on it."""

from parlour.site.navigation import NavNode
from parlour.site.site import ASSETS, CONTENT_SECURITY_POLICY, Response, Site

__all__ = ["ASSETS", "CONTENT_SECURITY_POLICY", "NavNode", "Response", "Site"]
