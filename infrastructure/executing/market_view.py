"""The market as the executor sees it: the quotes as they stand, the session, and the last tick worked off."""

from contextlib import closing
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError

from domain.quotes import Session, Tick
from infrastructure.redis import connect as connect_redis
from infrastructure.redis.market_clock import MarketClock
from infrastructure.redis.quotes import LAST_TICK, PROGRESS, QuoteBoard, TickNumber
from infrastructure.redis.telling import Telling

log = structlog.get_logger()

PROGRESS_S = 5


class MarketView:
    """Quotes, session and progress. `apply` says whether ticks were missed."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._redis = connect_redis(redis_url)
        self._telling = Telling(redis_url)
        self.board = QuoteBoard(redis_url)
        self.session: Session | None = None
        self.tick = TickNumber("", 0)

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()
        self._telling.close()

    def load(self) -> TickNumber:
        """Take quotes and session as they stand. Returns a tick that they are at least as new as."""
        try:
            return self._load()
        except (RedisError, OSError) as error:
            log.warning("the quotes cannot be read", error=str(error))
            return self.tick

    def apply(self, tick: Tick) -> bool:
        """Take over a tick. False when some before it were missed: then load."""
        self.session = tick.session
        if tick.number == 1:
            self._begin_run(tick)
        return self.board.apply(tick)

    def say_progress(self) -> None:
        """Publish the last tick worked off, for a market that waits for us and for those who ask how we are."""
        try:
            self._telling.send("SET", PROGRESS, msgspec.json.encode(self.tick), "EX", PROGRESS_S)
        except (RedisError, OSError) as error:
            log.debug("progress was not published", error=str(error))

    def _load(self) -> TickNumber:
        with closing(MarketClock(self._redis_url)) as clock:
            while True:
                found: Any = self._redis.get(LAST_TICK)
                clock.load()
                session = clock.session
                self.board.load()
                clock.load()
                if clock.session == session:  # else quotes from before the open would be met after it
                    break
        self.session = session or self.session
        return self.tick if found is None else msgspec.json.decode(found, type=TickNumber)

    def _begin_run(self, first: Tick) -> None:
        """The market starts anew. What Redis holds from before stands; what it holds of the ticks to come
        must not be met ahead of them: the quotes between would be lost.
        """
        found = QuoteBoard(self._redis_url)
        try:
            found.load()
        except (RedisError, OSError) as error:
            log.warning("the quotes cannot be read", error=str(error))
        quotes = [quote for quote in found.all() if quote.at <= first.at]
        self.board = QuoteBoard(self._redis_url)
        self.board.apply(
            Tick(run=first.run, number=0, at=first.at, session=first.session, quotes=quotes),
        )
