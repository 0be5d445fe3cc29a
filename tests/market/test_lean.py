"""Lean's files, against a parse that is as naive as possible."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from domain.quotes import Quote
from infrastructure.market.calendars import calendar_named
from infrastructure.market.sources import MarketDataCannotBeRead, Replay, open_source
from infrastructure.settings import Settings
from tests.market.samples import lean, lines_inside, zipped


def replay(*paths: Path, resume_after: datetime | None = None) -> Replay:
    settings = Settings(market_source="replay", market_path=tuple(map(str, paths)))
    source = open_source(settings, calendar_named("XNYS"), resume_after)
    assert isinstance(source, Replay)
    return source


def quotes_of(source: Replay) -> list[Quote]:
    return [quote for _, quotes in source for quote in quotes]


def test_every_usable_row_of_a_day_of_ibm_comes_out_in_order_with_its_exact_prices() -> None:
    folder = lean("tick/ibm")
    source = replay(folder)

    quotes = quotes_of(source)

    assert (source.tally.rows, source.tally.left_out) == (109_066 + 1 + 24_293, 1)
    assert [quote.sequence for quote in quotes] == list(range(1, 109_066 + 24_293 + 1))
    assert [
        (quote.at, quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.last, quote.volume)
        for quote in quotes
    ] == naive_day(folder)


def naive_day(folder: Path) -> list[tuple[object, ...]]:
    """The same day by sorting everything; New York was four hours behind UTC."""
    rows = [
        (int(fields[0]), kind, number, fields)
        for kind in ("quote", "trade")
        for number, line in enumerate(lines_inside(folder / f"20131007_{kind}.zip"))
        if (fields := line.split(","))[-1] == "0"
    ]
    state: dict[str, object] = {"bid": None, "ask": None, "bid_size": 0, "ask_size": 0, "last": None}
    volume, told = 0, []
    for ms, kind, _, fields in sorted(rows, key=lambda row: row[:3]):
        if kind == "trade":
            state["last"] = Decimal(fields[1]) / 10_000
            volume += int(fields[2])
        if kind == "quote" and fields[1] != "0":
            state |= {"bid": Decimal(fields[1]) / 10_000, "bid_size": int(fields[2])}
        if kind == "quote" and fields[3] != "0":
            state |= {"ask": Decimal(fields[3]) / 10_000, "ask_size": int(fields[4])}
        at = datetime(2013, 10, 7, 4, tzinfo=UTC) + timedelta(milliseconds=ms)
        told.append((at, *(state[name] for name in ("bid", "ask", "bid_size", "ask_size", "last")), volume))
    return told


def test_a_day_that_goes_on_keeps_its_numbering() -> None:
    folder = lean("tick/ibm")
    noon = datetime(2013, 10, 7, 16, tzinfo=UTC)

    source = replay(folder, resume_after=noon)
    rest = quotes_of(source)

    assert rest == [quote for quote in quotes_of(replay(folder)) if quote.at > noon]
    assert source.before["IBM"].sequence == rest[0].sequence - 1


def test_minutes_are_known_when_they_end_and_stay_in_their_session() -> None:
    quotes = quotes_of(replay(lean("minute/aapl")))

    first = quotes[0]
    assert (first.symbol, first.bid, first.ask) == ("AAPL", Decimal("644.06"), Decimal("646.00"))
    assert first.at == datetime(2014, 6, 5, 8, 0, 59, 999_000, tzinfo=UTC)
    last_minute = datetime(2014, 6, 5, 19, 59, 59, 999_000, tzinfo=UTC)
    assert last_minute in {quote.at for quote in quotes}
    assert calendar_named("XNYS").session_at(last_minute).is_open


def test_ticks_minutes_and_daily_bars_in_one_replay_are_merged_by_time() -> None:
    source = replay(lean("tick"), lean("minute"), lean("daily"))

    moments = [at for at, _ in source]

    assert moments == sorted(moments)
    assert len(set(moments)) == len(moments)
    assert source.tally.left_out == 1


def test_a_side_of_zero_leaves_the_other_side_as_it_was(tmp_path: Path) -> None:
    text = "34200000,100000,100,0,0,Q,1,0\n34200000,0,0,100500,200,Q,1,0\n34200001,99999,300,0,0,Q,1,0"
    path = zipped(tmp_path / "tick" / "xyz" / "20131007_quote.zip", name="any.csv", text=text)

    first, second, third = quotes_of(replay(path))

    assert (first.symbol, first.bid, first.ask, first.ask_size) == ("XYZ", Decimal("10.00"), None, 0)
    assert (second.bid, second.ask, second.ask_size) == (Decimal("10.00"), Decimal("10.05"), 200)
    assert (third.bid, third.bid_size, third.ask) == (Decimal("9.9999"), 300, Decimal("10.05"))


def test_a_broken_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    text = "34200000,100000,100,Q,1,0\n34200001,abc,100,Q,1,0"
    path = zipped(tmp_path / "tick" / "xyz" / "20131007_trade.zip", name="any.csv", text=text)

    with pytest.raises(MarketDataCannotBeRead, match=r"20131007_trade\.zip, line 2"):
        quotes_of(replay(path))


def test_what_is_missing_or_unknown_is_refused_before_anything_is_published(tmp_path: Path) -> None:
    unknown = tmp_path / "prices.csv"
    unknown.write_text("date,price\n2013-10-07,1\n")
    (tmp_path / "empty").mkdir()

    with pytest.raises(MarketDataCannotBeRead, match="no such file"):
        replay(tmp_path / "nowhere")
    with pytest.raises(MarketDataCannotBeRead, match=r"prices\.csv"):
        replay(unknown)
    with pytest.raises(MarketDataCannotBeRead, match="in this folder"):
        replay(tmp_path / "empty")
