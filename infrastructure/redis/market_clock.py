"""What time it is: on the wall, or in the market that is being replayed."""

import threading
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
from redis.exceptions import RedisError

from domain.quotes import ClockReading, Session
from infrastructure.redis import connect
from infrastructure.redis.quotes import CLOCK

POLL = 0.05  # seconds

_read = msgspec.json.Decoder(ClockReading)


class MarketClockIsNotRunning(Exception):
    """The market has never said what time it is."""


class WallClock:
    """The time outside."""

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC)


class MarketClock:
    """The market's own time, told between its ticks from its last reading. Safe for several threads."""

    def __init__(self, redis_url: str) -> None:
        self._client = connect(redis_url)
        self._lock = threading.Lock()
        self._latest: datetime | None = None
        self._seen = b""
        self.reading: ClockReading | None = None

    @property
    def session(self) -> Session | None:
        """Where the market stood in its calendar at the last reading, or None before the first."""
        return None if self.reading is None else self.reading.session

    def observe(self, reading: ClockReading) -> None:
        """Take over a reading, wherever it came from."""
        self.reading = reading

    def now(self) -> datetime:
        """UTC, aware; never beyond the next tick, never backwards. Raises MarketClockIsNotRunning."""
        reading = self.reading
        if reading is None:
            raise MarketClockIsNotRunning(
                "the market has not said what time it is: is the market role running?"
            )
        passed = max(datetime.now(UTC) - reading.wall, timedelta(0))
        at = max(reading.at, min(reading.at + passed * reading.speed, reading.until))
        with self._lock:
            if self._latest is None or at > self._latest:
                self._latest = at
            return self._latest

    def load(self) -> bool:
        """Observe the reading in Redis; False when there is none. Raises redis.exceptions.RedisError."""
        found = cast("bytes | None", self._client.get(CLOCK))
        if found is not None and found != self._seen:
            self.observe(_read.decode(found))
            self._seen = found
        return found is not None

    def follow_in_thread(self, stop: threading.Event) -> threading.Thread:
        """Look for a new reading every 50 ms until `stop`. While Redis is away the last one stays."""
        thread = threading.Thread(target=self._follow, args=(stop,), name="market-clock", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Let go of the connection; what was read last still tells the time."""
        self._client.close()

    def _follow(self, stop: threading.Event) -> None:
        while not stop.wait(POLL):
            try:
                self.load()
            except (RedisError, OSError, msgspec.DecodeError):
                continue  # the reading that is known still tells the time, up to its `until`
