"""Says everything the market says: numbers the ticks, and gets over a Redis that is away."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import structlog
from redis.exceptions import RedisError

from domain.quotes import ClockReading, Quote, Session, Tick
from infrastructure.figures import FIGURES
from infrastructure.redis.quotes import QuotePublisher, TickNumber

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts while Redis is away

log = structlog.get_logger()


class Announcer:
    """Publishes ticks without a gap in their numbers, and remembers the last quote of each symbol."""

    def __init__(self, publisher: QuotePublisher, *, source: str, stop: threading.Event) -> None:
        self._publisher = publisher
        self._source = source
        self._stop = stop
        self._away = False
        self._begun = False
        self.run = uuid4().hex
        self.number = 0
        self.quotes: dict[str, Quote] = {}
        self.reading: ClockReading | None = None

    def read_clock(
        self, at: datetime, *, session: Session, until: datetime, speed: float, finished: bool = False
    ) -> ClockReading:
        """A reading taken now."""
        return ClockReading(
            at=at,
            wall=datetime.now(UTC),
            speed=speed,
            until=until,
            session=session,
            source=self._source,
            finished=finished,
        )

    def announce(self, quotes: list[Quote], reading: ClockReading) -> bool:
        """Publish the next tick once. False when Redis is away; the number is then used up.

        A listener that finds a number missing reads all quotes again, which is what it must do.
        """
        self.number += 1
        FIGURES.add("ticks")
        FIGURES.add("quotes", len(quotes))
        return self._attempt(self._tick(quotes, reading), reading)

    def announce_patiently(self, quotes: list[Quote], taken: Callable[[], ClockReading]) -> bool:
        """Publish the next tick, as often as it takes. False only when `stop` came first.

        The reading is taken anew for each attempt: the market's time stands while Redis is away.
        """
        self.number += 1
        FIGURES.add("ticks")
        FIGURES.add("quotes", len(quotes))
        pause = FIRST_PAUSE
        while True:
            reading = taken()
            if self._attempt(self._tick(quotes, reading), reading):
                return True
            if self._stop.wait(pause):
                return False
            pause = min(2 * pause, LONGEST_PAUSE)

    def restore(self) -> None:
        """Store everything again if Redis has lost it. Does nothing while Redis is away."""
        if self.reading is None:
            return
        try:
            self._begin()
            if not self._publisher.holds_what_was_published():
                self._publisher.refresh(self.quotes.values(), self.reading)
                log.info("quotes stored again", symbols=len(self.quotes))
            self._away = False
        except (RedisError, OSError) as error:
            self._redis_is_away(error)

    def store(self, quotes: dict[str, Quote], reading: ClockReading) -> None:
        """Take over quotes that were published by an earlier run, without telling anyone."""
        self.quotes.update(quotes)
        self.reading = reading
        self.restore()

    def executor_progress(self) -> TickNumber | None:
        """The last tick the executor has worked off; None when there is no executor or no Redis."""
        try:
            return self._publisher.executor_progress()
        except (RedisError, OSError) as error:
            self._redis_is_away(error)
            return None
        except msgspec.DecodeError:
            return None  # whoever wrote that is no executor to wait for

    def _tick(self, quotes: list[Quote], reading: ClockReading) -> Tick:
        return Tick(run=self.run, number=self.number, at=reading.at, session=reading.session, quotes=quotes)

    def _attempt(self, tick: Tick, reading: ClockReading) -> bool:
        try:
            self._begin()
            # A Redis that was away may have come back empty, and the tick holds only the symbols that changed.
            before = self.quotes.values() if self._away else None
            self._publisher.publish(tick, reading, before=before)
        except (RedisError, OSError) as error:
            self._redis_is_away(error)
            return False
        self.quotes.update((quote.symbol, quote) for quote in tick.quotes)
        self.reading = reading
        was_away, self._away = self._away, False
        if was_away:
            log.info("redis is back", tick=tick.number)
        return True

    def restore_all(self) -> None:
        """Store everything again, lost or not. Does nothing while Redis is away."""
        if self.reading is None:
            return
        try:
            self._publisher.refresh(self.quotes.values(), self.reading)
        except (RedisError, OSError) as error:
            self._redis_is_away(error)

    def _begin(self) -> None:
        if not self._begun:
            self._publisher.forget()
            self._begun = True

    def _redis_is_away(self, error: Exception) -> None:
        # Said once for each time it goes away, not for every attempt.
        if not self._away:
            log.warning("redis is away; the market waits for it", error=str(error))
        self._away = True
