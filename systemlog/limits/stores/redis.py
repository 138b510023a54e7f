"""The store for several hosts with a Redis or Valkey server. The server runs one script a request, atomically.

The clock is that of the server. A key expires when its TAT has passed. A server with `maxmemory` and an evicting policy
may drop keys earlier.
"""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from systemlog.limits.gcra import Rate
from systemlog.limits.stores.interface import StoreUnavailable

TIMEOUT_S = 0.3
"""Timeout of connecting, and of the response, so that a dead server is noticed within a second."""

PREFIX = b"systemlog:limit:"

# Numbers of Lua are doubles: microseconds fit into 53 bits, nanoseconds do not.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
local after = math.max(math.min(tat, now + tolerance), now) + interval
local spare = now + tolerance - after
if spare < 0 then
    after = now + tolerance
end
if spare >= 0 or tat > after then
    redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
end
return spare
"""
"""As `gcra.advance`, with the clock of the server. A TAT from before the clock was set back is lowered, too."""


class RedisStore:
    """Keeps the TATs in the server at `url`."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            # One retry on a new connection, because the server may have closed an idle one; none after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self._script = self._client.register_script(TAKE)

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Count one request of the key."""
        # Rounded up, so that no more than the quota is admitted.
        interval = -(-rate.interval_ns // 1000)
        burst = rate.tolerance_ns // rate.interval_ns
        try:
            spare = self._script(keys=[PREFIX + key.hex().encode()], args=[interval, interval * burst])
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis: {type(error).__name__}.") from error
        return int(spare) * 1000

    def check(self) -> None:
        """Ask the server. Raises `StoreUnavailable` if it does not answer."""
        try:
            self._client.ping()
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis: {type(error).__name__}.") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
