"""What the site's pages say: loaded, split into passages, indexed and searched."""

from parlour.knowledge.base import Block, Hit, IndexReport, Passage
from parlour.knowledge.knowledge import Knowledge
from parlour.knowledge.search import Findings

__all__ = ["Block", "Findings", "Hit", "IndexReport", "Knowledge", "Passage"]
