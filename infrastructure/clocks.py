"""The clock that stamps facts, chosen by the settings."""

import threading
from contextlib import suppress
from datetime import datetime

from redis.exceptions import RedisError

from application.clock import Clock
from application.errors import MarketClockMustRun
from domain.quotes import Session
from infrastructure.redis.market_clock import MarketClock, MarketClockIsNotRunning, WallClock
from infrastructure.settings import Settings


class StampingClock:
    """The wall, or the market's own time; either way it knows the market's session.

    `now` raises MarketClockMustRun while the market's time is wanted and not known.
    """

    def __init__(self, settings: Settings, redis_url: str) -> None:
        self._market = MarketClock(redis_url)
        self._clock: Clock = self._market if settings.clock == "market" else WallClock()
        self._floor: datetime | None = None
        self._stop = threading.Event()
        with suppress(RedisError, OSError):
            self._market.load()
        self._thread = self._market.follow_in_thread(self._stop)

    def now(self) -> datetime:
        """The time for a fact."""
        try:
            now = self._clock.now()
        except MarketClockIsNotRunning as error:
            if self._floor is None:
                raise MarketClockMustRun(str(error)) from error
            return self._floor
        return now if self._floor is None else max(now, self._floor)

    def tell(self, moment: datetime) -> None:
        """The market's time is at least this: a tick of that moment has been seen."""
        if self._clock is self._market and (self._floor is None or moment > self._floor):
            self._floor = moment

    @property
    def session(self) -> Session | None:
        """Where the market stands in its calendar, None while it is not known."""
        return self._market.session

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join(timeout=2)
        self._market.close()
