"""When the market is open: `calendar_named("always")`, or any calendar of exchange-calendars.

A session is the half-open stretch from its open to its close: at the closing moment itself the
market is closed. Lunch breaks, which some Asian exchanges have, count as open. All times are UTC.
"""

import warnings
from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Protocol

from application.expected import TellTheOperator
from domain.quotes import Session

FIRST_DAY = "1990-01-01"
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CalendarIsUnknown(TellTheOperator):
    """No calendar has this name."""


class CalendarDoesNotReach(Exception):
    """The calendar knows no session around the moment that was asked for."""


class Calendar(Protocol):
    """The sessions of one market. Times in and out are aware; times out are UTC."""

    name: str

    def session_at(self, at: datetime) -> Session:
        """Where `at` stands: in a session, or after the last one. Raises CalendarDoesNotReach."""

    def opened_at(self, at: datetime) -> datetime | None:
        """The start of the session that holds `at`, or None while the market is closed."""

    def next_open(self, at: datetime) -> datetime:
        """The start of the first session that starts after `at`. Raises CalendarDoesNotReach."""

    def last_close(self, at: datetime) -> datetime:
        """The end of the last session that ended at or before `at`. Raises CalendarDoesNotReach."""

    def hours_on(self, day: date) -> tuple[datetime, datetime] | None:
        """Open and close of the session that the exchange counts as `day`, or None when there is none."""

    def day_of(self, at: datetime) -> date:
        """The date of a moment where the exchange is."""

    def midnight(self, day: date) -> datetime:
        """When the day begins at the exchange."""

    def session_after(self, day: date, count: int) -> date:
        """The day of the `count`-th session after `day`; for 0, `day` itself or the first after it.

        Raises CalendarDoesNotReach.
        """


@cache
def calendar_named(name: str) -> Calendar:
    """The calendar of this name; the same object for the same name. Raises CalendarIsUnknown."""
    return AlwaysOpen() if name == "always" else _exchange(name)


class AlwaysOpen:
    """A market that never closes. Its sessions are UTC days: one ends, and the next starts, at 00:00."""

    name = "always"

    def __init__(self) -> None:
        self._midnight = _EPOCH
        self._session = Session(is_open=True, previous_close=_EPOCH, closes_at=_EPOCH + _DAY)

    def session_at(self, at: datetime) -> Session:
        midnight = _midnight(at)
        if midnight != self._midnight:
            self._session = Session(is_open=True, previous_close=midnight, closes_at=midnight + _DAY)
            self._midnight = midnight
        return self._session

    def opened_at(self, at: datetime) -> datetime | None:
        return _midnight(at)

    def next_open(self, at: datetime) -> datetime:
        return _midnight(at) + _DAY

    def last_close(self, at: datetime) -> datetime:
        return _midnight(at)

    def hours_on(self, day: date) -> tuple[datetime, datetime] | None:
        start = self.midnight(day)
        return start, start + _DAY

    def day_of(self, at: datetime) -> date:
        return at.astimezone(UTC).date()

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=UTC)

    def session_after(self, day: date, count: int) -> date:
        return day + count * _DAY


class ExchangeCalendar:
    """The sessions of a real exchange, oldest first, each with its day, open and close."""

    def __init__(
        self, name: str, *, zone: tzinfo, days: list[date], opens: list[datetime], closes: list[datetime]
    ) -> None:
        self.name = name
        self._zone = zone
        self._days = days
        self._opens = opens
        self._closes = closes
        self._number_of = {day: number for number, day in enumerate(days)}
        self._from = self._to = _EPOCH  # the stretch without a boundary that `_session` is true for
        self._session = Session(is_open=False, previous_close=_EPOCH)

    def session_at(self, at: datetime) -> Session:
        # A replay asks for every row, and rows of one session come together.
        if not self._from <= at < self._to:
            self._remember(at)
        return self._session

    def opened_at(self, at: datetime) -> datetime | None:
        return self._opens[self._started(at) - 1] if self.session_at(at).is_open else None

    def next_open(self, at: datetime) -> datetime:
        started = self._started(at)
        if started == len(self._opens):
            raise CalendarDoesNotReach(f"{self.name} knows no session that starts after {at.isoformat()}")
        return self._opens[started]

    def last_close(self, at: datetime) -> datetime:
        ended = bisect_right(self._closes, at)
        if not ended:
            raise CalendarDoesNotReach(f"{self.name} knows no session that ended by {at.isoformat()}")
        return self._closes[ended - 1]

    def hours_on(self, day: date) -> tuple[datetime, datetime] | None:
        number = self._number_of.get(day)
        return None if number is None else (self._opens[number], self._closes[number])

    def day_of(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=self._zone).astimezone(UTC)

    def session_after(self, day: date, count: int) -> date:
        wanted = bisect_right(self._days, day) + count - 1 if count else bisect_left(self._days, day)
        if wanted >= len(self._days):
            raise CalendarDoesNotReach(f"{self.name} knows no {count} sessions after {day.isoformat()}")
        return self._days[wanted]

    def _started(self, at: datetime) -> int:
        """How many sessions have started by `at`."""
        return bisect_right(self._opens, at)

    def _remember(self, at: datetime) -> None:
        previous_close = self.last_close(at)
        started = self._started(at)
        if started and at < self._closes[started - 1]:
            self._from, self._to = self._opens[started - 1], self._closes[started - 1]
            self._session = Session(is_open=True, previous_close=previous_close, closes_at=self._to)
        else:
            self._from, self._to = previous_close, self.next_open(at)
            self._session = Session(is_open=False, previous_close=previous_close)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _exchange(name: str) -> Calendar:
    # Imported here: it brings pandas along, which takes a second that a process without need saves.
    import exchange_calendars  # noqa: PLC0415, RUF100 - see above

    with warnings.catch_warnings():
        # The library still uses calls that its pandas has deprecated.
        warnings.simplefilter("ignore")
        try:
            found = exchange_calendars.get_calendar(name, start=FIRST_DAY)
        except exchange_calendars.errors.InvalidCalendarName as error:
            raise CalendarIsUnknown(f"there is no calendar named {name!r}: try always or XNYS") from error
        days = [stamp.date() for stamp in found.closes.index]
        opens, closes = found.opens_nanos.tolist(), found.closes_nanos.tolist()
    return ExchangeCalendar(
        name,
        zone=found.tz,
        days=days,
        opens=[_from_nanoseconds(each) for each in opens],
        closes=[_from_nanoseconds(each) for each in closes],
    )


def _from_nanoseconds(count: int) -> datetime:
    return _EPOCH + timedelta(microseconds=count // 1000)
