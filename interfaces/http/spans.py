"""Days, moments and the lists over time that they bound: parameters and cursors."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeAlias

from litestar.params import QueryParameter

from domain.errors import InstantMustBeWellFormed
from interfaces.http.fields import instant
from interfaces.http.pages import before
from projections.shares import LATEST

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)

Interval: TypeAlias = Annotated[
    Literal["minute", "hour", "day", "week", "month", "year"],
    QueryParameter(description="What a point is the end of: a span of UTC; weeks begin on Monday"),
]
From: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="from", max_length=64, description="A day (UTC) or a moment with its offset, inclusive"
    ),
]
To: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="to", max_length=64, description="A day (UTC), inclusive, or a moment, exclusive"),
]


def day_of(text: str) -> datetime:
    """The beginning of a day such as 2026-01-31, in UTC. Raises InstantMustBeWellFormed."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InstantMustBeWellFormed(f"{text!r} is not a day such as 2026-01-31") from None


def since(text: str | None) -> datetime:
    """The first moment that `from` lets in. Raises InstantMustBeWellFormed."""
    if text is None:
        return EARLIEST
    return instant(text) if "T" in text else day_of(text)


def until(text: str | None) -> datetime:
    """The first moment that `to` shuts out, at most LATEST. Raises InstantMustBeWellFormed."""
    if text is None:
        return LATEST
    return min(LATEST, instant(text) if "T" in text else _day_after(day_of(text)))


def earlier(kind: str, cursor: str | None, end: datetime) -> datetime:
    """The moment that all items of the page begin before. Raises CursorMustBeFromAPage."""
    if cursor is None:
        return end
    return min(end, EARLIEST + timedelta(seconds=min(before(kind, cursor), seconds_of(LATEST))))


def seconds_of(moment: datetime) -> int:
    """A moment of whole seconds as a number for a cursor."""
    return int((moment - EARLIEST).total_seconds())


def floor(moment: datetime, interval: str) -> datetime:
    """The beginning of the interval that a moment is in."""
    if interval == "minute":
        return moment.replace(second=0, microsecond=0)
    if interval == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = datetime.combine(moment.date(), time(), UTC)
    if interval == "week":
        return day - timedelta(days=min(day.weekday(), (day - EARLIEST).days))
    if interval == "day":
        return day
    return day.replace(day=1) if interval == "month" else day.replace(month=1, day=1)


def _day_after(day: datetime) -> datetime:
    return day + timedelta(days=1) if day < LATEST else day
