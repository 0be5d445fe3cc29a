"""Wake-ups: who appends to the log says so, who projects says how far. Each may be lost; readers also poll.

Messages go out from a thread of their own, so that a commit never waits for Redis; what piles up
while Redis is slow goes out as one message.
"""

import threading
import time
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from infrastructure.redis import connect
from infrastructure.redis.channels import LOG_APPENDED, PEOPLE_ERASED, PROJECTED

log = structlog.get_logger()

BREATH_S = 0.002
"""Between two messages: the first goes out at once, what comes right after it goes out together."""

MOST_ORDERS = 2_000
"""Beyond so many, a message names no orders and means "any"."""


class Appended(Struct, frozen=True):
    """The log has grown to `log_position`; `orders` are those that changed, or None for "any"."""

    log_position: int
    orders: list[UUID] | None


Projected = dict[str, int]
"""Positions by projection, or by partition of one: `balances`, `balances/1/4`."""

decode_appended = msgspec.json.Decoder(Appended).decode
decode_projected = msgspec.json.Decoder(Projected).decode


class Announcer:
    """Publishes wake-ups. `appended` and `projected` return at once and never raise."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._lock = threading.Lock()
        self._position = 0
        self._orders: set[UUID] = set()
        self._projected: Projected = {}
        self._erased = False
        self._due = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def appended(self, log_position: int, orders: set[UUID]) -> None:
        """The log has grown up to here, and these orders have changed."""
        with self._lock:
            self._position = log_position
            self._orders |= orders
        self._due.set()

    def projected(self, positions: Projected) -> None:
        """Projections have reached these positions."""
        with self._lock:
            self._projected.update(positions)
        self._due.set()

    def erased(self, _user_id: UUID) -> None:
        """Somebody was erased; who it was is read from the database."""
        with self._lock:
            self._erased = True
        self._due.set()

    def close(self) -> None:
        """Send what is due and stop."""
        self._stopping = True
        self._due.set()
        self._thread.join(timeout=2)
        self._client.close()

    def _run(self) -> None:
        while not self._stopping:
            self._due.wait()
            self._due.clear()
            try:
                self._send()
            except (RedisError, OSError) as error:
                log.debug("a wake-up was lost", error=str(error))
            time.sleep(BREATH_S)

    def _send(self) -> None:
        with self._lock:
            position, orders, projected, erased = self._position, self._orders, self._projected, self._erased
            self._position, self._orders, self._projected, self._erased = 0, set(), {}, False
        if position:
            named = list(orders) if len(orders) <= MOST_ORDERS else None
            self._client.publish(LOG_APPENDED, msgspec.json.encode(Appended(position, named)))
        if projected:
            self._client.publish(PROJECTED, msgspec.json.encode(projected))
        if erased:
            self._client.publish(PEOPLE_ERASED, b"")
