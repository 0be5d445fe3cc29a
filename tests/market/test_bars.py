"""Daily bars told as four quotes."""

import csv
import gzip
from datetime import UTC, date, datetime
from decimal import Decimal

from bokeh_sampledata import package_path

from domain.quotes import Quote
from infrastructure.market.calendars import calendar_named
from infrastructure.market.sources import open_source
from infrastructure.market.sources.bars import Bar, rows_of_bars
from infrastructure.market.sources.rows import Tally
from infrastructure.settings import Settings

CENT = Decimal("0.01")


def bar(*prices: str, volume: int = 1_000_000, day: date = date(2013, 7, 3)) -> Bar:
    opened, high, low, close = map(Decimal, prices)
    return Bar("XYZ", day, opened, high, low, close, volume)


def test_the_real_bars_come_out_with_their_exact_prices() -> None:
    source = open_source(Settings(market_source="replay"), calendar_named("always"))
    by_day: dict[tuple[str, str], list[Quote]] = {}
    for at, quotes in source:
        for quote in quotes:
            by_day.setdefault((quote.symbol, at.date().isoformat()), []).append(quote)

    with gzip.open(package_path("stocks.csv.gz"), "rt") as text:
        rows = list(csv.reader(text))[1:]

    assert len(by_day) == len(rows) == 12_154
    for symbol, day, opened, high, low, close, volume, _ in rows:
        lasts = [quote.last for quote in by_day[symbol, day]]
        assert (lasts[0], lasts[3]) == (Decimal(opened), Decimal(close))
        assert set(lasts[1:3]) == {Decimal(high), Decimal(low)}
        assert by_day[symbol, day][3].volume == int(volume)


def test_all_symbols_of_one_point_of_a_day_come_together() -> None:
    source = open_source(Settings(market_source="replay"), calendar_named("XNYS"))

    at, quotes = next(iter(source))

    assert at == datetime(2000, 3, 1, 14, 30, tzinfo=UTC)
    assert [quote.symbol for quote in quotes] == ["AAPL", "IBM", "MSFT"]


def test_a_day_that_rose_went_to_its_low_first_and_one_that_fell_to_its_high() -> None:
    xnys = calendar_named("XNYS")

    rose = [row.last for row in rows_of_bars([bar("10", "12", "9", "11")], calendar=xnys, tally=Tally())]
    fell = [row.last for row in rows_of_bars([bar("11", "12", "9", "10")], calendar=xnys, tally=Tally())]

    assert rose == [Decimal(price) for price in ("10", "9", "12", "11")]
    assert fell == [Decimal(price) for price in ("11", "12", "9", "10")]


def test_the_quotes_of_a_bar_lie_inside_its_session_a_cent_around_the_last_price() -> None:
    rows = list(rows_of_bars([bar("10", "12", "9", "11")], calendar=calendar_named("XNYS"), tally=Tally()))

    assert rows[0].at == datetime(2013, 7, 3, 13, 30, tzinfo=UTC)
    assert rows[3].at == datetime(2013, 7, 3, 16, 59, 59, tzinfo=UTC)
    assert all(row.bid == row.last - CENT and row.ask == row.last + CENT for row in rows if row.last)
    assert {(row.bid_size, row.ask_size) for row in rows} == {(2_500, 2_500)}


def test_a_quiet_day_still_quotes_a_round_lot_and_a_holiday_is_left_out() -> None:
    tally = Tally()
    bars = [bar("1", "1", "1", "1", volume=3), bar("1", "1", "1", "1", day=date(2013, 7, 4))]

    rows = list(rows_of_bars(bars, calendar=calendar_named("XNYS"), tally=tally))

    assert {row.bid_size for row in rows} == {100}
    assert (len(rows), tally.rows, tally.left_out) == (4, 2, 1)
