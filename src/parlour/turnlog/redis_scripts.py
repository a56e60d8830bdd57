"""What Redis does for us in one step, each script on the keys of one hash slot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

# How keys and channels are named. Ids come from strangers, so only their digests get into names.


def turn_keys(turn_id: str) -> tuple[str, str, str]:
    """What is known of a turn, its log, and the channel of its events."""
    tag = "parlour:{turn:" + _digest(turn_id) + "}"
    return tag, f"{tag}:log", f"{tag}:events"


def thread_key(owner: str, thread_id: str) -> str:
    """The running turns of a thread, in the order of their start."""
    return "parlour:{thread:" + _digest(owner, thread_id) + "}:turns"


def lock_keys(thread_id: str) -> tuple[str, str, str]:
    """Who holds a thread, who waits for it in which order, and until when each is waited for."""
    tag = "parlour:{lock:" + _digest(thread_id) + "}"
    return f"{tag}:holder", f"{tag}:queue", f"{tag}:waiting"


def server_channel(server: str) -> str:
    """Where a server process is told to stop a turn, who reads it, and that a thread is free."""
    return f"parlour:server:{server}"


def as_bytes(text: str) -> bytes:
    """Text from strangers, whatever is in it."""
    return text.encode("utf-8", "surrogatepass")


def _digest(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = as_bytes(part)
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Script:
    """A Lua script and how many of its arguments are keys."""

    keys: int
    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode()).hexdigest())


BEGIN: Final = Script(
    2,
    """-- KEYS turn log; ARGV owner thread may_stop channel last force ttl
local last = redis.call('HGET', KEYS[1], 'last')
if last and ARGV[6] == '' then return last end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'thread', ARGV[2], 'may_stop', ARGV[3],
  'server', ARGV[4], 'last', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return ARGV[5]
""",
)
"""Makes a turn known unless it is; the last entry that Redis has of it."""

PUBLISH: Final = Script(
    2,
    """-- KEYS turn log; ARGV channel before last batch max_batches ended ttl
local at = redis.call('HGET', KEYS[1], 'last')
if at ~= ARGV[2] then return {at or '', -1, ''} end
if ARGV[3] ~= at then
  redis.call('XADD', KEYS[2], ARGV[3] .. '-0', 'b', ARGV[4])
  redis.call('HSET', KEYS[1], 'last', ARGV[3])
  if ARGV[5] ~= '' then redis.call('XTRIM', KEYS[2], 'MAXLEN', ARGV[5]) end
end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'ended', '1') end
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
local listeners = redis.call('PUBLISH', ARGV[1], ARGV[4])
return {ARGV[3], listeners, redis.call('HGET', KEYS[1], 'stop') or ''}
""",
)
"""Adds a batch if Redis is where the writer thinks it is, else nothing and -1 listeners.

The last entry that Redis has, listeners, stop.
"""

STOP: Final = Script(
    1,
    """-- KEYS turn; ARGV owner turn_id
local turn = redis.call('HMGET', KEYS[1], 'owner', 'ended', 'server')
if turn[1] ~= ARGV[1] then return 0 end
if not turn[2] then
  redis.call('HSET', KEYS[1], 'stop', '1')
  redis.call('PUBLISH', turn[3], 'stop ' .. ARGV[2])
end
return 1
""",
)
"""Asks a turn to stop; 0 when this owner has no such turn."""

_ORDER: Final = """
local function ordered(key, member, place)
  local score = redis.call('ZSCORE', key, member)
  if score then return string.format('%.0f', score) end
  if place == '' then
    local time = redis.call('TIME')
    local highest = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2] or 0
    place = string.format('%.0f', math.max(time[1] * 1000000 + time[2], highest + 1))
  end
  redis.call('ZADD', key, place, member)
  return place
end
"""

ENTER: Final = Script(
    1,
    _ORDER
    + """-- KEYS turns; ARGV turn_id place ttl
local place = ordered(KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return place
""",
)
"""Puts a turn last among those that run on its thread, or where it was: its place."""

_LATE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if math.abs(now - ARGV[1]) > tonumber(ARGV[2]) then return 'late' end
"""

_NEXT: Final = """
local function next_waiting(now)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
    redis.call('ZREM', KEYS[2], gone)
    redis.call('ZREM', KEYS[3], gone)
  end
  return redis.call('ZRANGE', KEYS[2], 0, 0)[1]
end
"""

TAKE: Final = Script(
    3,
    _ORDER
    + _NEXT
    + _LATE
    + """-- KEYS holder queue waiting; ARGV sent late token lease waiting_lease place may_take
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[3] then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 'taken'
end
-- Only a clock that was set back makes a lease longer than it was given.
if holder and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
local first = next_waiting(now)
if not holder and (not first or first == ARGV[3]) and ARGV[7] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  redis.call('ZREM', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[3])
  return 'taken'
end
if ARGV[5] == '' then return 'busy' end
local place = ordered(KEYS[2], ARGV[3], ARGV[6])
redis.call('ZADD', KEYS[3], now + ARGV[5], ARGV[3])
redis.call('PEXPIRE', KEYS[2], 60000)
redis.call('PEXPIRE', KEYS[3], 60000)
return place
""",
)
"""Takes a thread if it is free and nobody waits in front: taken, busy, late, or a place in the queue."""

RENEW: Final = Script(
    1,
    _LATE
    + """-- KEYS holder; ARGV sent late token lease
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[3] then return 'lost' end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 'taken'
""",
)
"""Keeps a thread, or takes it again if Redis has forgotten: taken, lost or late."""

LEAVE: Final = Script(
    3,
    _NEXT
    + """-- KEYS holder queue waiting; ARGV token
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[1])
  holder = false
end
if not holder then
  local time = redis.call('TIME')
  local first = next_waiting(time[1] * 1000 + math.floor(time[2] / 1000))
  if first then
    local server = string.match(first, '^[^:]+')
    redis.call('PUBLISH', 'parlour:server:' .. server, 'free ' .. first)
  end
end
return 1
""",
)
"""Lets a thread go, or the place in its queue, and wakes who is next."""

SCRIPTS: Final = (BEGIN, PUBLISH, STOP, ENTER, TAKE, RENEW, LEAVE)
