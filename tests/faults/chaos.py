"""Everything at once: visitors, faults, and what must hold all the time and in the end.

``make chaos ARGS="--seed 7 --minutes 10 --database postgresql"``. The seed decides what is done; what
the machine makes of it differs from run to run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from parlour.stores import STORES
from tests.faults.chaos_faults import Saboteur
from tests.faults.chaos_visitors import Trouble, Violation, Visitor
from tests.faults.fleet import Server
from tests.faults.promises import next_turn, settled
from tests.faults.witness import Witness
from tests.services.cutter import Cutter
from tests.services.mariadb import Mariadb
from tests.services.mongodb import Mongodb
from tests.services.postgresql import Postgresql
from tests.services.redis import Redis
from tests.services.running import Process

DATABASES = {"postgresql": Postgresql, "mariadb": Mariadb, "mongodb": Mongodb}
SILENCE = 5.0
"""Seconds after which a visitor gives a silent connection up."""
HEARTBEAT = 1.0


@dataclass(frozen=True)
class Plan:
    """What is run, and for how long."""

    seed: int
    seconds: float
    database: str = "sqlite"
    redis: bool = False
    servers: int = 1
    visitors: int = 4


@dataclass
class Result:
    """What happened, and what must not have happened."""

    plan: Plan
    tally: Counter[str]
    trouble: list[Trouble]
    history: list[str]

    def told(self) -> str:
        """The tallies as a table, and the story of the first violation."""
        wide = max(map(len, self.tally), default=1)
        lines = [f"seed {self.plan.seed}: {self.plan}", ""]
        lines += [f"{name:<{wide}}  {self.tally[name]:>6}" for name in sorted(self.tally)]
        lines.append("")
        if not self.trouble:
            return "\n".join([*lines, "Every promise was kept."])
        lines += [f"BROKEN {each.thread}: {each.found}" for each in self.trouble[:20]]
        return "\n".join([*lines, "", *self.history])


async def run(plan: Plan, folder: Path) -> Result:
    """Lives through a plan in this folder."""
    tally: Counter[str] = Counter()
    with ExitStack() as stack:
        database, url = await asyncio.to_thread(_database, plan, folder, stack)
        redis = Redis(folder) if plan.redis else None
        if redis:
            await asyncio.to_thread(_start, redis, stack)
        await STORES.load(url).from_spec(url).migrate()
        servers = [
            Server(
                folder,
                database_url=url,
                turnlog=redis.url if redis else "memory",
                heartbeat=HEARTBEAT,
                shutdown_grace=2.0,
            )
            for _ in range(plan.servers)
        ]
        for server in servers:
            stack.callback(server.kill)
            await asyncio.to_thread(server.start)
        networks = [stack.enter_context(Cutter(server.url).standing()) for server in servers]
        saboteur = Saboteur(random.Random(plan.seed), servers, networks, database, redis, tally)
        visitors = []
        addresses = [network.url for network in networks]
        for number in range(plan.visitors):
            witness = await Witness.arrive(servers[0].url, silence=SILENCE)
            chance = random.Random(plan.seed * 1000 + number)
            visitors.append(Visitor(witness, chance, addresses, tally, f"v{number}"))
        began = time.monotonic()
        trouble = await _live(visitors, saboteur, began + plan.seconds)
        trouble = trouble or await _check(visitors, servers[-1].url)
        history = _history(visitors, saboteur, trouble, began)
        for visitor in visitors:
            await visitor.witness.close()
        return Result(plan, tally, trouble, history)


async def _live(visitors: list[Visitor], saboteur: Saboteur, until: float) -> list[Trouble]:
    """What visitors found while they lived; the first find ends it all."""
    living = [asyncio.create_task(visitor.live(until)) for visitor in visitors]
    striking = asyncio.create_task(saboteur.live(until))
    await asyncio.wait([*living, striking], return_when=asyncio.FIRST_EXCEPTION)
    for task in [*living, striking]:
        if any(each.done() and each.exception() for each in [*living, striking]):
            task.cancel()
    trouble = []
    for end in await asyncio.gather(*living, striking, return_exceptions=True):
        if isinstance(end, Violation):
            trouble.append(end.trouble)
        elif isinstance(end, Exception):
            raise end
    return trouble


async def _check(visitors: list[Visitor], url: str) -> list[Trouble]:
    """What is broken after everything has come to rest."""
    trouble = []
    for visitor in visitors:
        for found in await settled(visitor.witness, url):
            named = re.search(r"thr_\w+", found)
            trouble.append(Trouble(named and named[0], found))
        for listed in await visitor.witness.threads(url):
            possible = visitor.titles.get(listed["id"])
            if possible and listed.get("title") not in possible:
                found = f"its title is {listed.get('title')!r}, not one of {possible}"
                trouble.append(Trouble(listed["id"], found))
        if not trouble:
            for thread in visitor.threads():
                told = await next_turn(visitor.witness, url, thread)
                trouble += [Trouble(thread, found) for found in told]
    return trouble


def _history(
    visitors: list[Visitor], saboteur: Saboteur, trouble: list[Trouble], began: float
) -> list[str]:
    """The story of the first broken thread: what was asked, what was seen, what struck."""
    if not trouble:
        return []
    told = [(at, f"-- {name}") for at, name in saboteur.struck]
    for visitor in visitors:
        for seen in visitor.witness.seen:
            if seen.thread == trouble[0].thread:
                told.append((seen.asked_at, f"asked {seen}"))
                told.append((seen.over_at, f"over {seen.order.name}"))
    return [f"{at - began:8.2f} {line[:1500]}" for at, line in sorted(told)]


def _database(plan: Plan, folder: Path, stack: ExitStack) -> tuple[Process | None, str]:
    if plan.database == "sqlite":
        return None, f"sqlite:///{folder / 'chat.db'}"
    service = DATABASES[plan.database](folder / plan.database)
    _start(service, stack)
    return service, service.new_database()


def _start(service: Process, stack: ExitStack) -> None:
    stack.callback(service.kill)
    service.start()


def main() -> int:
    """The command; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--database", choices=["sqlite", *DATABASES], default="sqlite")
    parser.add_argument("--redis", action="store_true", help="share running answers by Redis")
    parser.add_argument("--servers", type=int, default=0, help="2 with Redis, else 1")
    parser.add_argument("--visitors", type=int, default=4)
    given = parser.parse_args()
    plan = Plan(
        given.seed,
        given.minutes * 60,
        given.database,
        given.redis,
        given.servers or (2 if given.redis else 1),
        given.visitors,
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        result = asyncio.run(run(plan, Path(folder)))
    sys.stdout.write(result.told() + "\n")
    return 1 if result.trouble else 0


if __name__ == "__main__":
    sys.exit(main())
