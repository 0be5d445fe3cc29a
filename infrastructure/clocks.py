"""The clock that stamps facts, chosen by the settings."""

import threading
from datetime import datetime

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
        self._stop = threading.Event()
        self._market.follow_in_thread(self._stop)

    def now(self) -> datetime:
        """The time for a fact."""
        try:
            return self._clock.now()
        except MarketClockIsNotRunning as error:
            raise MarketClockMustRun(str(error)) from error

    @property
    def session(self) -> Session | None:
        """Where the market stands in its calendar, None while it is not known."""
        return self._market.session

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._market.close()
