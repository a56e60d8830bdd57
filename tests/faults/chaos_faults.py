"""The saboteur: ends, freezes and cuts off whatever there is, and puts it right again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.fleet import Server
from tests.services.cutter import Cutter
from tests.services.running import Process

Fault = Callable[[], Awaitable[None]]


@dataclass
class Saboteur:
    """Strikes at random moments until told to stop; leaves everything running.

    What keeps data is never away while a server dies: nobody promises to keep what cannot be
    written anywhere.
    """

    chance: random.Random
    servers: list[Server]
    networks: list[Cutter]
    database: Process | None
    redis: Process | None
    tally: Counter[str]
    struck: list[tuple[float, str]] = field(default_factory=list)

    async def live(self, until: float) -> None:
        """One fault after the other until then."""
        faults: list[tuple[int, str, Fault]] = [
            (5, "servers killed", self._kill),
            (4, "servers ended", self._end),
            (2, "servers frozen", self._freeze),
            (4, "networks cut", self._cut),
            (4, "networks disturbed", self._disturb),
        ]
        if self.database:
            faults.append((2, "database restarts", self._restart_database))
        if self.redis:
            faults.append((2, "redis restarts", self._restart_redis))
        weights = [weight for weight, _, _ in faults]
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.uniform(0.3, 2.5))
            ((_, name, strike),) = self.chance.choices(faults, weights)
            self.struck.append((time.monotonic(), name))
            self.tally[name] += 1
            await strike()

    async def _kill(self) -> None:
        server = self.chance.choice(self.servers)
        server.kill()
        await asyncio.sleep(self.chance.choice([0, 0, 1.0]))
        await self._start(server)

    async def _end(self) -> None:
        server = self.chance.choice(self.servers)
        await self._thread(server.stop)
        await self._start(server)

    async def _freeze(self) -> None:
        """Stops a process for a while: long enough, sometimes, to be taken for dead."""
        server = self.chance.choice(self.servers)
        os.kill(server.pid, signal.SIGSTOP)
        longest = 9.0 if len(self.servers) > 1 else 2.0
        await asyncio.sleep(self.chance.choice([0.2, 1.0, longest]))
        os.kill(server.pid, signal.SIGCONT)

    async def _cut(self) -> None:
        network = self.chance.choice(self.networks)
        network.cut()
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        network.mend()

    async def _disturb(self) -> None:
        network = self.chance.choice(self.networks)
        way = self.chance.choice(["up", "down", "both"])
        match self.chance.choice(["stall", "swallow", "crawl"]):
            case "stall":
                network.stall(way)  # type: ignore[arg-type]
            case "swallow":
                network.swallow(way)  # type: ignore[arg-type]
            case "crawl":
                network.crawl(20_000, way)  # type: ignore[arg-type]
        await asyncio.sleep(self.chance.uniform(0.2, 1.5))
        # What was lost would never come; a connection with a hole in it is of no use to anybody.
        network.cut(refuse=False)
        network.mend()

    async def _restart_database(self) -> None:
        assert self.database
        await self._thread(self.chance.choice([self.database.kill, self.database.stop]))
        await self._thread(self.database.start)

    async def _restart_redis(self) -> None:
        assert self.redis
        await self._thread(self.chance.choice([self.redis.kill, self.redis.stop]))
        await self._thread(self.redis.start)

    async def _start(self, server: Server) -> None:
        await self._thread(server.start)

    async def _thread(self, work: Callable[[], Any]) -> None:
        await asyncio.to_thread(work)
