"""The live events of running turns."""

from parlour.registry import Table
from parlour.turnlog.base import TurnLog

TURNLOGS: Table[TurnLog] = Table(
    "turnlog",
    {
        "memory": "parlour.turnlog.memory:MemoryTurnLog",
        "redis": "parlour.turnlog.redis:RedisTurnLog",
        "rediss": "parlour.turnlog.redis:RedisTurnLog",
        "unix": "parlour.turnlog.redis:RedisTurnLog",
    },
)

__all__ = ["TURNLOGS"]
