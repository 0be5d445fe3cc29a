"""The turn of the day: the market waits for the books when somebody keeps them, and never for nobody."""

import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import redis

from infrastructure.bookkeeping.interest import annual_rates
from infrastructure.bookkeeping.lean_factors import LeanSplit, splits_in
from infrastructure.market.calendars import calendar_named
from infrastructure.market.sources import MarketDataCannotBeRead
from infrastructure.redis import market_day
from infrastructure.redis.market_day import DayBook, DayTurn, Presence
from infrastructure.settings import SettingIsWrong, Settings
from infrastructure.wiring.scheduler import run_scheduler
from tests.executing.parts import InThread, wait_for
from tests.market.samples import lean

MONDAY = date(2014, 6, 9)
OPENS = datetime(2014, 6, 9, 13, 30, tzinfo=UTC)


def turn(redis_url: str) -> DayTurn:
    return DayTurn(redis_url, calendar=calendar_named("XNYS"), stop=threading.Event())


def test_a_market_alone_waits_for_nobody(redis_url: str) -> None:
    began = time.thread_time()

    turn(redis_url).turn_to(OPENS)

    assert time.thread_time() - began < 1


def test_a_market_waits_until_its_day_is_open(redis_url: str) -> None:
    Presence(redis_url).here()
    book = DayBook(redis_url)
    book.opened(date(2014, 6, 6))
    waiting = InThread(lambda stop: turn(redis_url).turn_to(OPENS), name="a market")

    asked = wait_for(lambda: book.asked(0.1), "the market asks for its day")
    assert (asked.day, asked.at) == (MONDAY, datetime(2014, 6, 9, 4, 0, tzinfo=UTC))
    assert waiting.is_alive
    book.opened(MONDAY)

    waiting.join(within=60)
    book.close()


def test_a_keeper_that_has_gone_is_waited_for_a_while(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_day, "AWAY_AT_MOST", 0.5)
    presence = Presence(redis_url)
    presence.here()
    book = DayBook(redis_url)
    waiting = InThread(lambda stop: turn(redis_url).turn_to(OPENS), name="a market")
    wait_for(lambda: book.asked(0.1), "the market asks for its day")

    presence.gone()

    assert waiting.is_alive
    waiting.join(within=60)
    book.close()


def test_a_market_does_not_wait_for_ever(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_day, "PATIENCE", 0.2)
    with redis.Redis.from_url(redis_url) as client:
        client.set(market_day.KEEPER, b"1")

        InThread(lambda stop: turn(redis_url).turn_to(OPENS), name="a market").join(within=60)


def test_a_redis_that_is_away_is_not_waited_for() -> None:
    turn("redis://127.0.0.1:1/0").turn_to(OPENS)


def test_a_scheduler_opens_each_day_that_the_market_asks_for(
    on_market_time: Settings, redis_url: str
) -> None:
    def work(stop: threading.Event) -> None:
        run_scheduler(on_market_time, stop)

    scheduler = InThread(work, name="a scheduler")
    with redis.Redis.from_url(redis_url) as client:
        wait_for(lambda: client.exists(market_day.KEEPER), "somebody keeps the books")
        market = turn(redis_url)
        for day in (5, 6, 9, 10):
            market.turn_to(datetime(2014, 6, day, 13, 30, tzinfo=UTC))
            assert client.get(market_day.OPENED) in (None, f"2014-06-{day:02}".encode())
    scheduler.end()


def test_factor_files_tell_splits_and_count_what_they_do_not_tell() -> None:
    files = {file.symbol: file for file in splits_in(lean("factor_files"), calendar_named("XNYS"))}

    assert LeanSplit(MONDAY, 7, 1) in files["AAPL"].splits
    assert [(split.numerator, split.denominator) for split in files["AAPL"].splits] == [
        (2, 1),
        (2, 1),
        (7, 1),
        (4, 1),
    ]
    assert (files["SPY"].splits, files["SPY"].dividends) == ([], 94)


@pytest.mark.parametrize(
    "text", ["", "20140606", "20140606,0,1", "2014x606,1,1", "20140606,1,1\n20140806,1,zero"]
)
def test_a_file_that_is_no_factor_file_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "aapl.csv"
    file.write_text(text)

    if not text:
        [found] = splits_in(file, calendar_named("XNYS"))
        assert found.splits == []
        return
    with pytest.raises(MarketDataCannotBeRead, match=r"aapl\.csv:\d"):
        list(splits_in(tmp_path, calendar_named("XNYS")))


def test_odd_and_reverse_ratios_are_found_in_rounded_factors(tmp_path: Path) -> None:
    rows = {"3:2": "0.6666667", "1:10": "10", "7:1": "0.1428571", "403:400": "0.9925558"}
    for ratio, factor in rows.items():
        file = tmp_path / f"S{ratio.replace(':', 'X')}.csv"
        file.write_text(f"20140606,1,{factor},100\n20501231,1,1,0\n")
        [found] = splits_in(file, calendar_named("XNYS"))
        assert [f"{split.numerator}:{split.denominator}" for split in found.splits] == [ratio]


@pytest.mark.parametrize(
    "text", ["0.03", "2026-01-01", "2026-01-01:x", "2026-13-01:0.1", "2026-01-01:2", "2026-01-01:-0.1"]
)
def test_rates_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(SettingIsWrong):
        annual_rates(text)


def test_rates_are_days_and_parts_of_one() -> None:
    assert [(str(one.since), str(one.rate)) for one in annual_rates("2026-01-01:0.035, 2026-07-01:0")] == [
        ("2026-01-01", "0.035"),
        ("2026-07-01", "0"),
    ]
