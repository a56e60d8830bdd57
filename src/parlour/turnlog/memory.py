"""Running turns in this process's memory: the turn log of a single server process."""

from __future__ import annotations

from parlour.errors import ConfigurationError
from parlour.turnlog.local import LocalTurnLog


class MemoryTurnLog(LocalTurnLog):
    """Keeps everything in memory, for one process."""

    @classmethod
    def from_spec(cls, spec: str) -> MemoryTurnLog:
        if spec != "memory":
            raise ConfigurationError(
                f"The memory turn log takes no address, but was given {spec!r}.",
                hint="Set PARLOUR_TURNLOG=memory.",
            )
        return cls()
