"""The line to one Redis: two connections for a whole process, kept alive, and honest about gaps."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import cast

from redis.asyncio.connection import Connection, ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from parlour.errors import ConfigurationError, TurnLogUnavailable
from parlour.turnlog.redis_scripts import SCRIPTS, Script

SETTLE_SECONDS = 3.0
"""How long everybody has, after Redis was away, to say again what they hold there."""
PATIENCE_SECONDS = 4.0
"""How long a request waits for a Redis that is away."""

_ANSWER_SECONDS = 3.0
_PING_SECONDS = 1.0
_RETRY_SECONDS = 0.2
_JUMP_MS = 1000
_BROKEN = (RedisError, OSError, TimeoutError, EOFError)

log = logging.getLogger(__name__)

Argument = str | bytes | int
Command = tuple[Argument, ...]


class Link:
    """Commands and messages over two connections that live and die as one.

    What is sent while the last commands are on their way goes out together. After every gap in the
    contact ``settled`` waits a while: a Redis that comes back may have forgotten, and whoever held
    something there has to say so first.
    """

    def __init__(self, url: str) -> None:
        self._pool = _pool(url)
        self.place = _place(self._pool.connection_kwargs)
        self.on_return: Callable[[], None] = lambda: None
        """Called after every gap, when the contact is back, and when the server's clock jumps."""
        self.since = 0.0
        """When the contact began, or was lost, by the monotonic clock."""
        self._reason = "It is not connected."
        self._connected = asyncio.Event()
        self._settles_at = 0.0
        self._clock = 0.0  # the server's clock minus ours, in milliseconds
        self._queue: list[tuple[list[Command], asyncio.Future[list[object]]]] = []
        self._flying: list[tuple[list[Command], asyncio.Future[list[object]]]] = []
        self._queued = asyncio.Event()
        self._handlers: dict[str, Callable[[bytes], None]] = {}
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._requests: list[Command] = []
        self._requested = asyncio.Event()
        self._heard = 0.0
        self._task: asyncio.Task[None] | None = None

    # -- for its users ---------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    @property
    def settling(self) -> bool:
        """Whether Redis may still lack what others hold there."""
        return not self.connected or time.monotonic() < self._settles_at

    def milliseconds(self) -> int:
        """The server's clock."""
        return int(time.monotonic() * 1000 + self._clock)

    def send(self, *commands: Command) -> asyncio.Future[list[object]]:
        """Sends commands now; their replies in order, a refused one's as an exception.

        ``TurnLogUnavailable`` when the contact is lost first: what was sent may have been done.
        """
        future: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        if self.connected:
            self._queue.append((list(commands), future))
            self._queued.set()
        else:
            future.set_exception(self.unavailable())
        return future

    async def ask(self, *commands: Command) -> list[object]:
        """As ``send``, again and again while Redis is away, for a few seconds.

        A command that Redis refuses is ``TurnLogUnavailable`` too. The commands must be such as may
        be repeated.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                await self._wait_connected(end - time.monotonic())
                replies = await self.send(*commands)
            except TurnLogUnavailable:
                if time.monotonic() > end:
                    raise
                continue
            for reply in replies:
                if isinstance(reply, Exception):
                    raise self.unavailable(str(reply)) from reply
            return replies

    async def there(self) -> None:
        """Returns when there is contact; ``TurnLogUnavailable`` after a few seconds without."""
        await self._wait_connected(PATIENCE_SECONDS)

    async def settled(self) -> None:
        """Returns when Redis is there and has been for long enough; ``TurnLogUnavailable`` if not."""
        while self.settling:
            await self.there()
            await asyncio.sleep(self._settles_at - time.monotonic())

    async def unsettle(self) -> None:
        """Something happened late: as after a gap, nothing is sure for a while."""
        self._settles_at = time.monotonic() + SETTLE_SECONDS
        with suppress(TurnLogUnavailable):
            self._set_clock((await self.send(("TIME",)))[0])

    async def back(self) -> None:
        """Returns when there is contact, however long that takes."""
        await self._connected.wait()

    async def subscribe(self, channel: str, handler: Callable[[bytes], None]) -> None:
        """Has ``handler`` called with each message from now on, over every gap."""
        self._handlers[channel] = handler
        if not self.connected:
            return
        confirmed = asyncio.get_running_loop().create_future()
        confirmed.add_done_callback(_retrieve)
        self._confirmed[channel] = confirmed
        self._request(("SUBSCRIBE", channel))
        await confirmed

    def unsubscribe(self, channel: str) -> None:
        if self._handlers.pop(channel, None) is not None:
            self._request(("UNSUBSCRIBE", channel))

    def unavailable(self, reason: str | None = None) -> TurnLogUnavailable:
        return TurnLogUnavailable(f"Redis at {self.place}: {reason or self._reason}")

    async def open(self) -> None:
        """Connects, and stays connected from then on; ``TurnLogUnavailable`` if that fails."""
        try:
            connections = await self._connect()
        except _BROKEN as error:
            raise self.unavailable(_reason(error)) from error
        self._task = asyncio.create_task(self._stay(connections))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            self._lose("It was closed.")

    # -- the contact -----------------------------------------------------------------------------

    async def _stay(self, connections: list[Connection] | None) -> None:
        while True:
            try:
                if connections is None:
                    connections = await self._connect()
                    log.info("Redis at %s is back", self.place)
                    self.on_return()
                await self._serve(*connections)
            except Exception as error:
                if self.connected:
                    log.warning("Redis at %s: contact lost: %s", self.place, _reason(error))
                self._lose(_reason(error))
            finally:
                if connections is not None:
                    await _disconnect(connections)
            connections = None
            await asyncio.sleep(_RETRY_SECONDS)

    async def _connect(self) -> list[Connection]:
        connections = [_connection(self._pool), _connection(self._pool)]
        commands, messages = connections
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await commands.connect()  # type: ignore[no-untyped-call]
                await messages.connect()  # type: ignore[no-untyped-call]
                age = await self._inspect(commands)
                for script in SCRIPTS:
                    await _roundtrip(commands, "SCRIPT LOAD", script.text)
                self._set_clock(await _roundtrip(commands, "TIME"))
                if channels := list(self._handlers):
                    await messages.send_command("SUBSCRIBE", *channels)
                    for _ in channels:
                        await cast(Awaitable[object], messages.read_response())
        except BaseException:
            await _disconnect(connections)
            raise
        now = time.monotonic()
        known = self.since > 0
        self.since = self._heard = now
        self._settles_at = now + SETTLE_SECONDS - (0 if known else min(age, SETTLE_SECONDS))
        self._connected.set()
        if missing := self._handlers.keys() - set(channels):
            self._request(("SUBSCRIBE", *missing))
        return connections

    async def _inspect(self, commands: Connection) -> float:
        """How many seconds old this Redis is; refuses one that will not do."""
        try:
            told = cast(bytes, await _roundtrip(commands, "INFO")).decode("utf-8", "replace")
        except ResponseError:
            return SETTLE_SECONDS  # whoever may not ask is told nothing; the rest works
        info = dict(line.split(":", 1) for line in told.split("\r\n") if ":" in line)
        version = info.get("redis_version", "5")
        if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) < 5:
            raise RedisError(f"Its version is {version}; streams need 5 or newer.")
        if info.get("redis_mode") == "cluster":
            cluster = cast(bytes, await _roundtrip(commands, "CLUSTER INFO")).decode()
            if "cluster_size:1\r\n" not in cluster:
                raise RedisError("It is a cluster of several nodes; put a proxy in front of it.")
        policy = info.get("maxmemory_policy", "")
        if policy.startswith("allkeys") and not self.since:
            log.warning(
                "Redis at %s may evict running answers (maxmemory-policy %s); set it to noeviction "
                "or a volatile one",
                self.place,
                policy,
            )
        return float(info.get("uptime_in_seconds", SETTLE_SECONDS))

    async def _serve(self, commands: Connection, messages: Connection) -> None:
        """Carries commands and messages until something breaks."""
        tasks = [
            asyncio.create_task(self._carry(commands)),
            asyncio.create_task(self._listen(messages)),
            asyncio.create_task(self._talk(messages)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, connection: Connection) -> None:
        while True:
            await self._queued.wait()
            self._queued.clear()
            self._flying, self._queue = self._queue, []
            commands = [command for batch, _ in self._flying for command in batch]
            clock = asyncio.get_running_loop().time
            async with asyncio.timeout(_ANSWER_SECONDS) as limit:
                await connection.send_packed_command(
                    connection.pack_commands(commands), check_health=False
                )
                for batch, future in self._flying:
                    limit.reschedule(clock() + _ANSWER_SECONDS)
                    replies = [await _reply(connection) for _ in batch]
                    if not future.done():
                        future.set_result(replies)
            self._flying = []

    async def _listen(self, connection: Connection) -> None:
        while True:
            kind, channel, *rest = cast(list[bytes], await connection.read_response())
            self._heard = time.monotonic()
            name = channel.decode()
            if kind == b"message":
                if handler := self._handlers.get(name):
                    try:
                        handler(rest[0])
                    except Exception:
                        log.exception("a message of Redis cannot be read")
            elif kind == b"subscribe":
                confirmed = self._confirmed.pop(name, None)
                if confirmed is not None and not confirmed.done():
                    confirmed.set_result(None)

    async def _talk(self, connection: Connection) -> None:
        """Sends what is asked of the connection for messages; once a second looks who is there."""
        looked = time.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(looked + _PING_SECONDS - time.monotonic()):
                    await self._requested.wait()
            self._requested.clear()
            requests, self._requests = self._requests, []
            if time.monotonic() - looked >= _PING_SECONDS:
                looked = time.monotonic()
                if looked - self._heard > _ANSWER_SECONDS:
                    raise TimeoutError
                requests.append(("PING",))
                self.send(("TIME",)).add_done_callback(self._told_time)
            if requests:
                await connection.send_packed_command(
                    connection.pack_commands(requests), check_health=False
                )

    def _told_time(self, reply: asyncio.Future[list[object]]) -> None:
        if not reply.cancelled() and reply.exception() is None:
            before = self._clock
            self._set_clock(reply.result()[0])
            if abs(self._clock - before) > _JUMP_MS:
                # What Redis keeps for a time may have ended before its time.
                log.warning("Redis at %s: its clock has jumped", self.place)
                self._settles_at = time.monotonic() + SETTLE_SECONDS
                self.on_return()

    def _lose(self, reason: str) -> None:
        if self.connected:
            self.since = time.monotonic()
        self._reason = reason
        self._connected.clear()
        lost = [future for _, future in (*self._flying, *self._queue)]
        self._flying, self._queue, self._requests = [], [], []
        for future in lost:
            if not future.done():
                future.set_exception(self.unavailable())
        for confirmed in self._confirmed.values():
            if not confirmed.done():
                confirmed.set_exception(self.unavailable())
        self._confirmed.clear()

    async def _wait_connected(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._connected.wait()
        except TimeoutError:
            raise self.unavailable() from None

    def _request(self, command: Command) -> None:
        if self.connected:
            self._requests.append(command)
            self._requested.set()

    def _set_clock(self, reply: object) -> None:
        if isinstance(reply, list):
            seconds, micros = reply
            self._clock = int(seconds) * 1000 + int(micros) / 1000 - time.monotonic() * 1000


def run(script: Script, *keys_and_arguments: Argument) -> Command:
    """The command that runs a script; its keys come first."""
    return ("EVALSHA", script.sha, script.keys, *keys_and_arguments)


def _pool(url: str) -> ConnectionPool:
    try:
        # Protocol 3 answers in other shapes; a timeout of each read would cost more than the read;
        # the driver would read its version from a file.
        ours: dict[str, object] = {"protocol": 2, "decode_responses": False, "driver_info": None}
        ours |= {"socket_timeout": None, "retry": Retry(NoBackoff(), 0)}
        pool = ConnectionPool(**{**parse_url(url), **ours})  # type: ignore[arg-type]
        _connection(pool)
        return pool
    except (TypeError, ValueError, RedisError):
        # What is wrong with it is not said: that could be a piece of the password.
        raise ConfigurationError(
            "The address of Redis cannot be read.",
            hint="It looks like redis://user:password@host:6379/0, rediss://… or unix:///path.",
        ) from None


def _connection(pool: ConnectionPool) -> Connection:
    return cast(Connection, pool.make_connection())  # type: ignore[no-untyped-call]


def _place(kwargs: Mapping[str, object]) -> str:
    """Where it is, without the password."""
    return str(
        kwargs.get("path") or f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"
    )


def _reason(error: BaseException) -> str:
    silent = isinstance(error, TimeoutError) and not str(error)
    return "It does not answer." if silent else str(error) or type(error).__name__


async def _roundtrip(connection: Connection, *command: Argument) -> object:
    await connection.send_command(*command)
    return await cast(Awaitable[object], connection.read_response())


async def _reply(connection: Connection) -> object:
    try:
        return await cast(Awaitable[object], connection.read_response())
    except (NoScriptError, ReadOnlyError):
        raise  # another server than the one we connected to answers here
    except ResponseError as error:
        return error


async def _disconnect(connections: list[Connection]) -> None:
    for connection in connections:
        with suppress(*_BROKEN):
            await connection.disconnect(nowait=True)


def _retrieve(future: asyncio.Future[list[object]] | asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
