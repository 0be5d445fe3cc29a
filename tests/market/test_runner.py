"""The market role: what it publishes, and how it goes on after a restart."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import redis

from infrastructure.embedded import EmbeddedRedis
from infrastructure.market.runner import open_runner
from infrastructure.market.sources import MarketDataCannotBeRead
from infrastructure.redis.quotes import QuoteBoard
from infrastructure.settings import SettingIsWrong, Settings
from interfaces.roles import market
from tests.market.running import Listener, at, clock_in, run


def test_a_replay_publishes_every_quote_once_and_ends_with_a_clock_that_stands(
    replay_of: Callable[..., Settings], listener: Listener
) -> None:
    settings = replay_of(at(14), at(15), at(14, day=1))

    run(settings, listener)

    assert [quote.sequence for quote in listener.quotes] == [1, 2, 3]
    assert [tick.number for tick in listener.ticks] == list(range(1, len(listener.ticks) + 1))
    reading = clock_in(settings.redis_url or "")
    assert (reading.finished, reading.speed, reading.at) == (True, 0.0, at(20, day=1))


def test_each_close_is_told_though_nothing_is_quoted_at_it(
    replay_of: Callable[..., Settings], listener: Listener
) -> None:
    run(replay_of(at(14), at(14, day=1)), listener)

    closes = [tick.at for tick in listener.ticks if not tick.quotes and not tick.session.is_open]

    assert closes[:2] == [at(20), at(20, day=1)]
    assert all(tick.session.previous_close <= tick.at for tick in listener.ticks)


def test_a_restarted_replay_goes_on_where_it_was_with_the_same_numbers(
    replay_of: Callable[..., Settings], listener: Listener
) -> None:
    settings = replay_of(at(14), at(14.5), at(19), speed="3600")
    stop = threading.Event()
    thread = threading.Thread(target=market.run, args=(settings, stop), daemon=True)
    thread.start()
    listener.hear(until=lambda: len(listener.quotes) == 2)
    stop.set()
    thread.join(timeout=60)
    listener.ticks.clear()

    run(replay_of(at(14), at(14.5), at(19)), listener)

    assert [(quote.sequence, quote.at) for quote in listener.quotes] == [(3, at(19))]


def test_other_data_start_anew_but_use_no_sequence_twice(
    replay_of: Callable[..., Settings], listener: Listener, tmp_path: Path
) -> None:
    run(replay_of(at(14), at(15)), listener)
    settings = replay_of(at(14), at(15))
    other = (tmp_path / "quotes.csv").rename(tmp_path / "other.csv")
    listener.ticks.clear()

    run(msgspec.structs.replace(settings, market_path=(str(other),)), listener)

    assert [quote.sequence for quote in listener.quotes] == [3, 4]


def test_quotes_of_an_earlier_source_are_forgotten(
    replay_of: Callable[..., Settings], listener: Listener, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.sadd("quote:symbols", "OLD")
        client.hset("quote:OLD", mapping={"symbol": "OLD"})

    run(replay_of(at(14)), listener)
    board = QuoteBoard(redis_url)
    board.load()

    assert [quote.symbol for quote in board.all()] == ["IBM"]


def test_a_simulated_market_ticks_in_the_walls_time_and_goes_on_after_a_restart(
    listener: Listener, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(redis_url=redis_url, data_dir=tmp_path, market_symbols=3, market_interval=0.05)
    lasts = []
    for _ in range(2):
        listener.ticks.clear()
        stop = threading.Event()
        thread = threading.Thread(target=market.run, args=(settings, stop), daemon=True)
        thread.start()
        listener.hear(until=lambda: len(listener.ticks) >= 4)
        stop.set()
        thread.join(timeout=60)
        lasts.append([quote.last for quote in listener.ticks[-1].quotes])
        assert abs(datetime.now(UTC) - listener.ticks[-1].at) < timedelta(seconds=5)
        assert all(len(tick.quotes) == 3 for tick in listener.ticks)

    moved = [abs(a - b) / a for a, b in zip(*lasts, strict=True) if a is not None and b is not None]
    assert max(moved) < 0.01


def test_a_replay_stands_while_redis_is_away_and_gives_it_everything_back(
    replay_of: Callable[..., Settings], tmp_path: Path
) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    moments = [at(14) + timedelta(seconds=number) for number in range(400)]
    settings = msgspec.structs.replace(replay_of(*moments, speed="200"), redis_url=server.url)
    listener = Listener(server.url)
    thread = threading.Thread(target=market.run, args=(settings, threading.Event()), daemon=True)
    thread.start()
    listener.hear(until=lambda: len(listener.ticks) >= 5)

    server.stop()
    time.sleep(0.5)
    server.start()
    listener.hear(until=lambda: not thread.is_alive())
    listener.hear(until=lambda: bool(listener.ticks) and not listener.ticks[-1].quotes)
    listener.subscription.close()
    server.stop()

    heard = {quote.sequence for quote in listener.quotes}
    assert max(heard) == 400
    # What the listener could not hear is at most what was said before its subscription stood again.
    assert len(heard) > 300


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(replay_of: Callable[..., Settings], speed: str) -> None:
    with pytest.raises(SettingIsWrong, match="DAYBOOK_MARKET_SPEED"):
        open_runner(replay_of(at(14), speed=speed), threading.Event())


@pytest.mark.parametrize(
    "wrong", [{"market_symbols": 0}, {"market_symbols": 10_001}, {"market_interval": 0.0}]
)
def test_a_simulation_that_cannot_be_run_is_refused(
    redis_url: str, tmp_path: Path, wrong: dict[str, float]
) -> None:
    settings = msgspec.structs.replace(Settings(redis_url=redis_url, data_dir=tmp_path), **wrong)

    with pytest.raises(SettingIsWrong, match=f"DAYBOOK_{next(iter(wrong)).upper()}"):
        open_runner(settings, threading.Event())


def test_progress_that_cannot_be_read_is_refused_rather_than_started_over(
    replay_of: Callable[..., Settings],
) -> None:
    settings = replay_of(at(14))
    settings.data_dir.mkdir()
    (settings.data_dir / "market.json").write_text("{")

    with pytest.raises(MarketDataCannotBeRead, match=r"market\.json"):
        open_runner(settings, threading.Event())
