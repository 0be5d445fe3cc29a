"""Redis: the last quotes, the market's clock, and wake-ups. Nothing in it that cannot be lost.

| key or channel | holds | written by |
| --- | --- | --- |
| `quote:{SYMBOL}` (hash) | the last quote, fields as text, an absent price as "" | market |
| `quote:symbols` (set) | symbols that have a quote | market |
| `market:clock` | the last `ClockReading`, JSON | market |
| `market:tick` | run and number of the last tick, JSON | market |
| `market:turn` | which market process publishes, for 3 seconds | market |
| `executor:progress` | run and number of the last tick worked off, JSON, for 5 seconds | executor |
| channel `quote_updates` | each `Tick`, JSON | market |
| channels `log_appended`, `projected` | wake-ups | committer, projector |
| channel `people_erased` | that somebody was erased, no payload | who erases |

A URL is `redis://host:port/0` or `unix:///path/redis.sock`.
"""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT = 2.0  # seconds
ANSWER_TIMEOUT = 5.0  # seconds: a server that says nothing for so long is treated as away

# One retry at once gets over a server that was started anew; who needs more waits by himself, in
# his own way. RESP2, because the embedded server is a 6.2 and newer extras would only be refused.
_OPTIONS: dict[str, Any] = {
    "protocol": 2,
    "socket_timeout": ANSWER_TIMEOUT,
    "socket_connect_timeout": CONNECT_TIMEOUT,
}


def connect(redis_url: str) -> redis.Redis:
    """A client that answers in bytes. It connects with its first command, not here."""
    return redis.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 1), **_OPTIONS)


def connect_async(redis_url: str) -> redis.asyncio.Redis:
    """The same for asyncio."""
    return redis.asyncio.Redis.from_url(redis_url, retry=AsyncRetry(NoBackoff(), 1), **_OPTIONS)
