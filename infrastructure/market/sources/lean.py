"""Market data as QuantConnect's Lean stores it: ticks, minutes and daily bars, in zips.

`20131007_quote.zip` and `20131007_trade.zip` under `tick/ibm` or `minute/aapl` are one symbol's
day; the name inside the zip says the same and wins. `daily/ibm.zip` is all days of a symbol. Times
are milliseconds since midnight in New York; prices are dollars times 10,000.

A tick quote carries one side; the other side, 0, is unchanged. A minute's row is published in the
last millisecond of its minute with its closing prices: before that nobody could have known them.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from infrastructure.market.calendars import Calendar
from infrastructure.market.sources.bars import Bar, rows_of_bars
from infrastructure.market.sources.rows import (
    MarketDataCannotBeRead,
    Row,
    Tally,
    lines_of,
    only_member,
)

NEW_YORK = ZoneInfo("America/New_York")
MINUTE_END = 59_999  # milliseconds
FILE_NAME = re.compile(r"(\d{8})_(quote|trade)\.zip")
MEMBER_NAME = re.compile(r"(\d{8})_(.+)_(?:(quote|trade)_(tick)|(minute)_(quote|trade))\.csv")


class LeanFile(NamedTuple):
    """What a zip of ticks or minutes holds: one kind of row, of one symbol and one day."""

    symbol: str
    resolution: str  # "tick" or "minute"
    day: date
    kind: str  # "quote" or "trade"
    path: Path


class _Change(NamedTuple):
    """A row of a file: milliseconds since midnight, and what it changes; None leaves a thing as it is."""

    milliseconds: int
    bid: tuple[Decimal | None, int] | None = None
    ask: tuple[Decimal | None, int] | None = None
    sale: tuple[Decimal, int] | None = None


def recognise(path: Path) -> LeanFile | None:
    """What the zip at `path` holds, or None when it is not a day of ticks or minutes."""
    named = FILE_NAME.fullmatch(path.name.lower())
    if named is None:
        return None
    inside = MEMBER_NAME.fullmatch(_member_name(path).lower())
    if inside is not None:
        day, symbol, kind, resolution = inside[1], inside[2], inside[3] or inside[6], inside[4] or inside[5]
    else:
        day, symbol, kind, resolution = named[1], path.parent.name, named[2], path.parent.parent.name
    if (resolution.lower(), kind) not in _READERS:
        return None
    return LeanFile(symbol.upper(), resolution.lower(), _day(day, path), kind, path)


def rows_of_days(files: Iterable[LeanFile], *, tally: Tally) -> Iterator[Row]:
    """The rows of one symbol at one resolution, day after day; only one day is open at a time."""
    days: dict[date, list[LeanFile]] = {}
    for file in files:
        days.setdefault(file.day, []).append(file)
    for day in sorted(days):
        yield from _rows_of_day(days[day], tally=tally)


def rows_of_daily(path: Path, *, calendar: Calendar, tally: Tally) -> Iterator[Row]:
    """Four rows a day of `daily/<symbol>.zip`. Raises MarketDataCannotBeRead with the line's number."""
    return rows_of_bars(_bars(path), calendar=calendar, tally=tally)


def _rows_of_day(files: list[LeanFile], *, tally: Tally) -> Iterator[Row]:
    """Merge quotes and trades by millisecond, quotes first, into the best bid and offer and last sale."""
    files = sorted(files, key=lambda file: file.kind)  # "quote" before "trade"; merge() keeps that order
    symbol = files[0].symbol
    # Counted from midnight's UTC moment. Clocks change on Sundays at 2:00, when nothing trades.
    midnight = datetime.combine(files[0].day, time(), tzinfo=NEW_YORK).astimezone(UTC)
    bid: tuple[Decimal | None, int] = (None, 0)
    ask: tuple[Decimal | None, int] = (None, 0)
    last: Decimal | None = None
    volume = 0
    for change in merge(*(_changes(file, tally=tally) for file in files), key=itemgetter(0)):
        bid = change.bid or bid
        ask = change.ask or ask
        if change.sale is not None:
            last = change.sale[0]
            volume += change.sale[1]
        at = midnight + timedelta(milliseconds=change.milliseconds)
        yield Row(at, symbol, bid[0], ask[0], bid[1], ask[1], last, volume)


def _changes(file: LeanFile, *, tally: Tally) -> Iterator[_Change]:
    """The usable rows of a file, in its order. Raises MarketDataCannotBeRead with the line's number."""
    read = _READERS[file.resolution, file.kind]
    latest = 0
    with lines_of(file.path) as text:
        for number, line in enumerate(text, 1):
            try:
                change = read(line.split(","))
            except (ValueError, IndexError) as error:
                where = f"{file.path}, line {number}"
                raise MarketDataCannotBeRead(
                    f"{where}: not a {file.resolution} {file.kind}: {error}"
                ) from error
            tally.rows += 1
            if change is None:
                tally.left_out += 1
                continue
            if change.milliseconds < latest:
                raise MarketDataCannotBeRead(f"{file.path}, line {number}: time runs backwards")
            latest = change.milliseconds
            yield change


def _tick_quote(fields: list[str]) -> _Change | None:
    ms, bid, bid_size, ask, ask_size, _exchange, _condition, suspicious = fields
    if int(suspicious):
        return None
    return _Change(
        int(ms),
        bid=(_dollars(bid), int(bid_size)) if int(bid) else None,
        ask=(_dollars(ask), int(ask_size)) if int(ask) else None,
    )


def _tick_trade(fields: list[str]) -> _Change | None:
    ms, price, size, _exchange, _condition, suspicious = fields
    if int(suspicious):
        return None
    return _Change(int(ms), sale=(_dollars(price), int(size)))


def _minute_quote(fields: list[str]) -> _Change:
    bid, bid_size, ask, ask_size = fields[4], fields[5], fields[9], fields[10]
    return _Change(int(fields[0]) + MINUTE_END, bid=_side(bid, bid_size), ask=_side(ask, ask_size))


def _minute_trade(fields: list[str]) -> _Change:
    return _Change(int(fields[0]) + MINUTE_END, sale=(_dollars(fields[4]), int(fields[5])))


_READERS = {
    ("tick", "quote"): _tick_quote,
    ("tick", "trade"): _tick_trade,
    ("minute", "quote"): _minute_quote,
    ("minute", "trade"): _minute_trade,
}


def _side(price: str, size: str) -> tuple[Decimal | None, int]:
    """A side of a minute's quote; one that nobody quoted all minute long is empty."""
    return (_dollars(price), int(size)) if price else (None, 0)


@lru_cache(maxsize=65_536)
def _dollars(text: str) -> Decimal:
    """Exact dollars of a price times 10,000, with 2 places when that is enough. Raises ValueError."""
    price = int(text)
    if price <= 0:
        raise ValueError(f"a price must be above 0: {text}")
    return Decimal(price).scaleb(-4) if price % 100 else Decimal(price // 100).scaleb(-2)


def _bars(path: Path) -> Iterator[Bar]:
    with lines_of(path) as text:
        for number, line in enumerate(text, 1):
            try:
                stamp, *prices, volume = line.split(",")
                opened, high, low, close = (_dollars(price) for price in prices)
                yield Bar(path.stem.upper(), _day(stamp[:8], path), opened, high, low, close, int(volume))
            except ValueError as error:
                raise MarketDataCannotBeRead(f"{path}, line {number}: not a daily bar: {error}") from error


def _member_name(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return only_member(path, archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise MarketDataCannotBeRead(f"{path}: {error}") from error


def _day(text: str, path: Path) -> date:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError as error:
        raise MarketDataCannotBeRead(f"{path}: {text} is not a day") from error
