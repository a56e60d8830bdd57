"""Who writes the answer."""

from parlour.answer.base import Answerer
from parlour.registry import Table

ANSWERERS: Table[Answerer] = Table(
    "answer",
    {
        "extract": "parlour.answer.extract:ExtractAnswerer",
        "model": "parlour.answer.model:ModelAnswerer",
        "python": "parlour.answer.hosted:HostedServer",
    },
)

__all__ = ["ANSWERERS"]
