"""How fast the market role replays, and who it waits for."""

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import redis

from infrastructure.market import pace
from infrastructure.settings import Settings
from interfaces.roles import market
from tests.market.running import Listener, at, clock_in, run
from tests.market.samples import lean


def test_a_paced_replay_takes_the_time_its_speed_says_and_skips_the_night(
    replay_of: Callable[..., Settings], listener: Listener
) -> None:
    # Six hours of session before the night, half an hour after it, at four hours a second.
    settings = replay_of(at(14), at(19.999), at(14, day=1), speed=str(4 * 3600))

    seconds = run(settings, listener)

    assert 6.5 / 4 + 1.0 - 0.3 < seconds < 6.5 / 4 + 2.0 + 1.5


def test_the_clock_never_passes_a_quote_that_is_still_to_come(
    replay_of: Callable[..., Settings], listener: Listener
) -> None:
    settings = replay_of(at(14), at(15), speed="3600")
    stop = threading.Event()
    thread = threading.Thread(target=market.run, args=(settings, stop), daemon=True)

    thread.start()
    listener.hear(until=lambda: len(listener.ticks) == 1)
    reading = clock_in(settings.redis_url or "")
    stop.set()
    thread.join(timeout=60)

    assert reading.at == at(14)
    assert reading.until == at(15)
    assert reading.speed == pytest.approx(3600)


def test_at_full_speed_the_replay_waits_for_an_executor_that_is_behind(
    replay_of: Callable[..., Settings], listener: Listener, redis_url: str
) -> None:
    settings = replay_of(*(at(14, day=day) for day in range(70)))
    stop = threading.Event()
    with redis.Redis.from_url(redis_url) as client:
        client.set("executor:progress", '{"run": "an earlier run", "number": 999}')
        thread = threading.Thread(target=market.run, args=(settings, stop), daemon=True)
        thread.start()
        listener.hear(until=lambda: len(listener.ticks) == pace.AHEAD_AT_MOST)
        assert listener.subscription.get(timeout=0.3) is None

        run_now = listener.ticks[0].run
        client.set("executor:progress", msgspec.json.encode({"run": run_now, "number": 5}))
        listener.hear(until=lambda: len(listener.ticks) == pace.AHEAD_AT_MOST + 5)
        assert listener.subscription.get(timeout=0.3) is None
        stop.set()
        thread.join(timeout=60)


def test_the_day_of_ibm_passes_at_full_speed_in_seconds(
    listener: Listener, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        redis_url=redis_url,
        data_dir=tmp_path,
        market_source="replay",
        market_path=(str(lean("tick/ibm")),),
        market_speed="max",
        market_exit_at_end=True,
        calendar="XNYS",
    )

    seconds = run(settings, listener)

    assert [quote.sequence for quote in listener.quotes] == list(range(1, 133_360))
    assert seconds < 10
