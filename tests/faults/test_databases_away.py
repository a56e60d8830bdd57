"""A database, or Redis, that is restarted or away in mid-answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from parlour.stores import STORES
from tests.faults.conftest import Arriving, Serving
from tests.faults.promises import hold
from tests.servers.dictated import Order
from tests.services.mariadb import Mariadb
from tests.services.mongodb import Mongodb
from tests.services.postgresql import Postgresql
from tests.services.redis import Redis
from tests.services.running import cannot_be_had

Database = Postgresql | Mariadb | Mongodb
KINDS: dict[str, Callable[[Path], Database]] = {
    "postgresql": Postgresql,
    "mariadb": Mariadb,
    "mongodb": Mongodb,
}
THREADS = 4


@pytest.fixture(scope="module", params=KINDS)
def own(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database server that nobody else uses, so that it may be ended."""
    # Not in pytest's folder, which another run of pytest closes to everybody but its user.
    with TemporaryDirectory(prefix="parlour-") as folder:
        service = KINDS[request.param](Path(folder) / "database")
        if getattr(service, "given", None):
            cannot_be_had("A database server that runs already is not ours to restart.")
        Path(folder, "database").mkdir()
        Path(folder).chmod(0o755)
        service.start()
        yield service
        service.kill()


@pytest.mark.parametrize("fault", ["restart", "crash", "away"])
async def test_a_database_that_goes_and_comes_back_loses_nothing(
    serving: Serving, arrive: Arriving, own: Database, fault: str
) -> None:
    url = await asyncio.to_thread(own.new_database)
    await STORES.load(url).from_spec(url).migrate()
    server = await asyncio.to_thread(lambda: serving(database_url=url, database_timeout=5.0))
    witness = await arrive(server.url)
    before = [await witness.ask(server.url, Order(f"before{n}", words=5)) for n in range(THREADS)]
    seen = [
        witness.expect(Order(f"during{n}", words=150, parts=2), each.thread if n % 2 else None)
        for n, each in enumerate(before)
    ]
    asking = [asyncio.create_task(witness.put(server.url, each)) for each in seen]
    for each in seen:
        await each.until(lambda each: each.length > 50)
    struck = time.monotonic()
    await asyncio.to_thread(own.kill if fault == "crash" else own.stop)
    if fault == "away":
        await asyncio.sleep(5)
    await asyncio.to_thread(own.start)
    async with asyncio.timeout(60):
        await asyncio.gather(*asking)
    assert all(each.ended for each in seen), [each.broken for each in seen]
    await hold(witness, server.url, fault=struck)


async def test_redis_that_is_restarted_in_mid_answer_costs_no_text(
    serving: Serving, arrive: Arriving, tmp_path: Path
) -> None:
    redis = Redis(tmp_path)
    await asyncio.to_thread(redis.start)
    try:
        one, other = [await asyncio.to_thread(lambda: serving(turnlog=redis.url)) for _ in range(2)]
        witness = await arrive(one.url)
        seen = [witness.expect(Order(f"redis{n}", words=300)) for n in range(THREADS)]
        asking = [
            asyncio.create_task(witness.put((one, other)[n % 2].url, each))
            for n, each in enumerate(seen)
        ]
        for each in seen:
            await each.until(lambda each: each.length > 50)
        struck = time.monotonic()
        await asyncio.to_thread(redis.restart)
        async with asyncio.timeout(60):
            await asyncio.gather(*asking)
        await hold(witness, other.url, fault=struck)
    finally:
        redis.kill()
