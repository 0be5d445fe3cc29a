"""A daily bar told as four quotes, so that a bar can be traded against like any other data.

The path through a bar is a choice, because a bar does not say it: open, one extreme, the other
extreme, close. A day that closed at or above its open went to the low first, another to the high
first: the path that crosses its own open least. Quotes come at the session's open, at a third and
at two thirds of it, and one second before its close.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from infrastructure.market.calendars import Calendar
from infrastructure.market.sources.rows import Row, Tally

CENT = Decimal("0.01")
BEFORE_CLOSE = timedelta(seconds=1)


class Bar(NamedTuple):
    """One symbol's day: prices in dollars, volume in shares."""

    symbol: str
    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


def rows_of_bars(bars: Iterable[Bar], *, calendar: Calendar, tally: Tally) -> Iterator[Row]:
    """Four rows a bar, in time order when `bars` are of one symbol and ordered by day.

    The spread is one cent each side of the last price. A bar of a day on which the calendar has no
    session is counted and left out.
    """
    for bar in bars:
        hours = calendar.hours_on(bar.day)
        tally.rows += 1
        if hours is None:
            tally.left_out += 1
        else:
            yield from _rows(bar, opens=hours[0], closes=hours[1])


def _rows(bar: Bar, *, opens: datetime, closes: datetime) -> Iterator[Row]:
    third = (closes - opens) / 3
    moments = (opens, opens + third, opens + 2 * third, closes - BEFORE_CLOSE)
    size = max(100, bar.volume // 400 // 100 * 100)
    for number, (at, price) in enumerate(zip(moments, _path(bar), strict=True), 1):
        yield Row(
            at=at,
            symbol=bar.symbol,
            bid=price - CENT if price > CENT else None,
            ask=price + CENT,
            bid_size=size if price > CENT else 0,
            ask_size=size,
            last=price,
            volume=bar.volume * number // 4,
        )


def _path(bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    if bar.close >= bar.open:
        return bar.open, bar.low, bar.high, bar.close
    return bar.open, bar.high, bar.low, bar.close
