"""Real daily bars of AAPL, FB, GOOG, IBM and MSFT, 2000 to 2013, from the package bokeh_sampledata.

The package's own reader goes through float; this one reads the same file as text.
"""

import csv
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from bokeh_sampledata import package_path

from infrastructure.market.calendars import Calendar
from infrastructure.market.sources.bars import Bar, rows_of_bars
from infrastructure.market.sources.rows import MarketDataCannotBeRead, Row, Tally, lines_of

COLUMNS = ["ticker", "date", "open", "high", "low", "close", "volume", "adj close"]


def feeds(calendar: Calendar, *, tally: Tally) -> list[Iterator[Row]]:
    """One feed a symbol, by symbol. Raises MarketDataCannotBeRead while being read."""
    bars = sorted(read_bars(Path(package_path("stocks.csv.gz"))), key=attrgetter("symbol", "day"))
    return [
        rows_of_bars(list(of_symbol), calendar=calendar, tally=tally)
        for _, of_symbol in groupby(bars, key=attrgetter("symbol"))
    ]


def read_bars(path: Path) -> Iterator[Bar]:
    """The bars of the file, in its order. Raises MarketDataCannotBeRead with the line's number."""
    with lines_of(path) as text:
        reader = csv.reader(text)
        if [name.lower().replace("_", " ") for name in next(reader, [])] != COLUMNS:
            raise MarketDataCannotBeRead(f"{path}: its columns must be {', '.join(COLUMNS)}")
        for number, fields in enumerate(reader, 2):
            yield _bar(fields, where=f"{path}, line {number}")


def _bar(fields: list[str], *, where: str) -> Bar:
    try:
        symbol, day, opened, high, low, close, volume, _adjusted = fields
        first, highest, lowest, final = (Decimal(price) for price in (opened, high, low, close))
        return Bar(symbol.upper(), date.fromisoformat(day), first, highest, lowest, final, int(volume))
    except (ValueError, InvalidOperation) as error:
        raise MarketDataCannotBeRead(f"{where}: not a daily bar: {error}") from error
