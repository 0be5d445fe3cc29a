"""Telling the market's time between two ticks."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import redis

from infrastructure.redis.market_clock import MarketClock, MarketClockIsNotRunning
from tests.market.samples import AT, OPEN, reading

HOUR = timedelta(hours=1)


@pytest.fixture
def clock(redis_url: str) -> Iterator[MarketClock]:
    found = MarketClock(redis_url)
    yield found
    found.close()


def test_a_market_that_never_said_its_time_has_none(clock: MarketClock) -> None:
    assert clock.load() is False
    with pytest.raises(MarketClockIsNotRunning):
        clock.now()


def test_the_market_runs_as_many_times_faster_as_its_speed(clock: MarketClock) -> None:
    wall = datetime.now(UTC) - timedelta(seconds=10)
    clock.observe(reading(wall=wall, speed=60, until=AT + HOUR))

    passed = (clock.now() - AT).total_seconds()

    assert 600 <= passed < 660
    assert clock.session == OPEN


def test_the_clock_waits_for_the_next_tick_when_that_is_late(clock: MarketClock) -> None:
    clock.observe(reading(wall=datetime.now(UTC) - HOUR, speed=60, until=AT + timedelta(seconds=5)))

    assert clock.now() == AT + timedelta(seconds=5)


def test_a_clock_of_speed_zero_stands_between_ticks(clock: MarketClock) -> None:
    clock.observe(reading(wall=datetime.now(UTC) - HOUR, speed=0, until=AT + HOUR))

    assert clock.now() == AT


def test_the_clock_never_runs_backwards(clock: MarketClock) -> None:
    clock.observe(reading(wall=datetime.now(UTC) - HOUR, until=AT + HOUR))
    later = clock.now()
    clock.observe(reading(at=AT - HOUR, wall=datetime.now(UTC), until=AT))

    assert clock.now() == later == AT + HOUR


def test_a_reading_from_a_wall_that_is_ahead_is_not_run_back_from(clock: MarketClock) -> None:
    clock.observe(reading(wall=datetime.now(UTC) + HOUR, until=AT + HOUR))

    assert clock.now() == AT


def test_a_clock_follows_what_redis_says_and_keeps_it_when_redis_forgets(
    clock: MarketClock, redis_url: str
) -> None:
    stop = threading.Event()
    thread = clock.follow_in_thread(stop)
    with redis.Redis.from_url(redis_url) as client:
        client.set("market:clock", msgspec.json.encode(reading()))
        give_up = time.monotonic() + 60
        while clock.reading is None and time.monotonic() < give_up:
            time.sleep(0.01)
        client.flushall()
    time.sleep(0.12)
    stop.set()
    thread.join()

    assert clock.now() == AT
