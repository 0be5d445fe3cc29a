"""Running the market role in a thread, and hearing what it says."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import redis

from domain.quotes import ClockReading, Quote, Tick
from infrastructure.redis.channels import QUOTE_UPDATES, Subscription
from infrastructure.redis.quotes import decode_tick
from infrastructure.settings import Settings
from interfaces.roles import market

MONDAY = datetime(2013, 10, 7, tzinfo=UTC)


class Listener:
    """Hears all ticks while the role runs in a thread."""

    def __init__(self, redis_url: str) -> None:
        self.subscription = Subscription(redis_url, [QUOTE_UPDATES])
        self.ticks: list[Tick] = []

    def hear(self, *, until: Callable[[], bool], within: float = 60.0) -> None:
        give_up = time.monotonic() + within
        while not until():
            assert time.monotonic() < give_up, "what was waited for did not happen"
            message = self.subscription.get(timeout=0.05)
            if message is not None:
                self.ticks.append(decode_tick(message[1]))

    @property
    def quotes(self) -> list[Quote]:
        return [quote for tick in self.ticks for quote in tick.quotes]


def run(settings: Settings, listener: Listener, *, stop: threading.Event | None = None) -> float:
    """Run the role to its end and give the seconds it took."""
    thread = threading.Thread(target=market.run, args=(settings, stop or threading.Event()), daemon=True)
    started = time.monotonic()
    thread.start()
    listener.hear(until=lambda: not thread.is_alive())
    seconds = time.monotonic() - started
    while (message := listener.subscription.get(timeout=0.05)) is not None:
        listener.ticks.append(decode_tick(message[1]))
    return seconds


def clock_in(redis_url: str) -> ClockReading:
    with redis.Redis.from_url(redis_url) as client:
        found = client.get("market:clock")
    assert isinstance(found, bytes)
    return msgspec.json.decode(found, type=ClockReading)


def at(hours: float, *, day: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hours)
