"""Splits out of the factor files of QuantConnect's Lean.

Each row says: up to this trading day, prices are to be multiplied by the price factor (dividends) and the split
factor, both counted back from today. So the row after it over this one is what happened as the next session began.
"""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from domain.values import symbol as checked_symbol
from infrastructure.market.calendars import Calendar
from infrastructure.market.sources import MarketDataCannotBeRead

LARGEST_PART = 1000
"""Factors have 7 places or so: a ratio is the nearest one of parts up to here."""


class LeanSplit(Struct, frozen=True):
    """`numerator` new shares for `denominator` old ones from `ex_date` on."""

    ex_date: date
    numerator: int
    denominator: int


class FactorFile(Struct, frozen=True):
    """What a file tells of a symbol: its splits, and how many dividends there are that it does not tell enough of."""

    symbol: str
    splits: list[LeanSplit]
    dividends: int


class _Row(Struct, frozen=True):
    day: date
    price_factor: Fraction
    split_factor: Fraction


def splits_in(path: Path, calendar: Calendar) -> Iterator[FactorFile]:
    """Every factor file of a folder, or the one at `path`. Raises MarketDataCannotBeRead."""
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise MarketDataCannotBeRead(f"{path} holds no factor files, such as aapl.csv")
    for file in files:
        yield _read(file, calendar)


def _read(file: Path, calendar: Calendar) -> FactorFile:
    rows = list(_rows(file))
    splits, dividends = [], 0
    for before, after in pairwise(rows):
        ratio = _ratio(after.split_factor / before.split_factor)
        if ratio != 1:
            ex_date = calendar.session_after(before.day, 1)
            splits.append(LeanSplit(ex_date, ratio.numerator, ratio.denominator))
        dividends += after.price_factor != before.price_factor
    return FactorFile(checked_symbol(file.stem), splits, dividends)


def _ratio(factor: Fraction) -> Fraction:
    """The ratio of small whole numbers that a factor was rounded from."""
    for parts in (10, 100, LARGEST_PART):
        near = factor.limit_denominator(parts) if factor < 1 else 1 / (1 / factor).limit_denominator(parts)
        if abs(near - factor) <= factor * Fraction(1, 10_000):
            return near
    return near


def _rows(file: Path) -> Iterator[_Row]:
    try:
        with file.open(newline="") as text:
            for number, fields in enumerate(csv.reader(text), 1):
                yield _row(fields, where=f"{file}:{number}")
    except OSError as error:
        raise MarketDataCannotBeRead(f"{file}: {error.strerror}") from error


def _row(fields: list[str], *, where: str) -> _Row:
    try:
        day = datetime.strptime(fields[0], "%Y%m%d").date()  # noqa: DTZ007  a day has no zone
        row = _Row(day, Fraction(fields[1]), Fraction(fields[2]))
    except (IndexError, ValueError, ZeroDivisionError):
        raise MarketDataCannotBeRead(f"{where}: not a row of a factor file: {','.join(fields)!r}") from None
    if row.price_factor <= 0 or row.split_factor <= 0:
        raise MarketDataCannotBeRead(f"{where}: a factor is more than 0")
    return row
