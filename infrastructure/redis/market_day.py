"""The turn of the market's day: before the first quote of a day can fill an order, the firm's books are opened for it.

The market asks on the channel `market_day` and waits until `books:opened` names the day; the scheduler, which says
by `books:keeper` that it is there, does the day's work and writes the day there. Redis may forget all of it: then the
market goes on, and the day's work is done a little late.
"""

import threading
import time
from contextlib import suppress
from datetime import date, datetime
from typing import cast

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from infrastructure.market.calendars import Calendar
from infrastructure.redis import connect
from infrastructure.redis.channels import MARKET_DAY, Subscription

OPENED = "books:opened"
KEEPER = "books:keeper"

KEEPER_MS = 3_000  # how long a keeper that says nothing counts as being there
PATIENCE = 60.0  # wall seconds a market waits for a keeper that is there
AWAY_AT_MOST = 20.0
"""How long it waits for one that was there and is gone: it may be started again, with half of a split to be done."""
LOOK_AGAIN = 0.002
ASK_AGAIN = 1.0

log = structlog.get_logger()


class Turned(Struct, frozen=True):
    """The market is about to begin a day; `at` is when the day began at the exchange."""

    day: date
    at: datetime


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Turned).decode


class DayTurn:
    """The market's side."""

    def __init__(self, redis_url: str, *, calendar: Calendar, stop: threading.Event) -> None:
        self._client = connect(redis_url)
        self._calendar = calendar
        self._stop = stop
        self._day: date | None = None
        self._is_kept = False

    def turn_to(self, at: datetime) -> None:
        """Wait, at the first moment of another day, until the books are open; only when somebody opens them."""
        day = self._calendar.day_of(at)
        if self._day is not None and day <= self._day:
            return
        self._day = day
        try:
            self._wait(Turned(day, self._calendar.midnight(day)))
        except (RedisError, OSError) as error:
            log.debug("nobody can be waited for", error=str(error))

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _wait(self, turned: Turned) -> None:
        began = seen_at = time.monotonic()
        asked_at = 0.0
        while not self._stop.is_set():
            opened, keeper = cast("list[bytes | None]", self._client.mget(OPENED, KEEPER))
            now = time.monotonic()
            if keeper is not None:
                self._is_kept, seen_at = True, now
            if not self._is_kept or _is_open(opened, turned.day):
                return
            if now - began > PATIENCE or now - seen_at > AWAY_AT_MOST:
                self._is_kept = keeper is not None
                log.warning("the books are not open; the market goes on", day=str(turned.day))
                return
            if now - asked_at > ASK_AGAIN:
                self._client.publish(MARKET_DAY, _encode(turned))
                asked_at = now
            self._stop.wait(LOOK_AGAIN)


class DayBook:
    """The keeper's side. Not for several threads."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._subscription = Subscription(redis_url, [MARKET_DAY])

    def asked(self, timeout: float) -> Turned | None:
        """The day the market wants to begin, as soon as it says so."""
        message = self._subscription.get(timeout=timeout)
        return None if message is None else _decode(message[1])

    def opened(self, day: date) -> None:
        """Say that all of a day's work that comes before its trading is done. Raises RedisError."""
        self._client.set(OPENED, day.isoformat())

    def close(self) -> None:
        """Let go."""
        self._subscription.close()
        self._client.close()


class Presence:
    """Says that somebody keeps the books; to be said again within KEEPER_MS. Redis that is away is passed over."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)

    def here(self) -> None:
        """The market may wait for us."""
        with suppress(RedisError, OSError):
            self._client.set(KEEPER, b"1", px=KEEPER_MS)

    def gone(self) -> None:
        """Nobody need be waited for."""
        with suppress(RedisError, OSError):
            self._client.delete(KEEPER)
        self._client.close()


def _is_open(opened: bytes | None, day: date) -> bool:
    try:
        return opened is not None and date.fromisoformat(opened.decode()) >= day
    except ValueError:
        return False  # whoever wrote that opens no books
