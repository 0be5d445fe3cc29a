"""Interest on customers' cash: rates with the day they begin, and what daily balances accrue at them.

Settled cash as it stands at a day's end earns a day's interest, actual/365 also in a leap year: the least daily
rate that 12 CFR 1030.7(a) (Truth in Savings) allows a bank, and what sweep programmes use. Nothing is rounded until
the month is paid, so that a thousand days of a tenth of a cent are not lost. There is no interest on interest within
a month.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID, uuid5

from msgspec import Struct

from domain.aggregate import Aggregate, Event
from domain.corporate_action import FIRM, MICRODOLLAR
from domain.errors import InterestMustBeDue
from domain.values import NOTHING, Money

DAYS_OF_A_YEAR = 365


class AnnualRate(Struct, frozen=True, gc=False):
    """A part of one a year, such as 0.035, from a day on until the next rate begins."""

    since: date
    rate: Decimal


def rate_on(day: date, rates: Iterable[AnnualRate]) -> Decimal:
    """The rate in force on a day; before the first there is none."""
    begun = [one for one in rates if one.since <= day]
    return max(begun, key=lambda one: one.since).rate if begun else Decimal(0)


def accrued(balances: Iterable[tuple[date, Money]], rates: Sequence[AnnualRate]) -> Decimal:
    """What settled cash at the end of each day earns, exact to a millionth of a dollar. Debts earn nothing."""
    earned = sum((max(cash, NOTHING) * rate_on(day, rates) for day, cash in balances), Decimal(0))
    return (earned / DAYS_OF_A_YEAR).quantize(MICRODOLLAR, ROUND_HALF_EVEN)


class InterestPeriod(Aggregate, kw_only=True):
    """One month for which the firm pays interest. The rates are those of its beginning, whatever settings say later."""

    first_day: date | None = None
    last_day: date | None = None
    rates: tuple[AnnualRate, ...] = ()
    is_paid: bool = False

    class Begun(Event, frozen=True, kw_only=True):
        """The month is over, and accounts are being paid at these rates."""

        first_day: date
        last_day: date
        rates: tuple[AnnualRate, ...]

        def apply(self, period: "InterestPeriod") -> None:
            period.first_day, period.last_day, period.rates = self.first_day, self.last_day, self.rates

    class Paid(Event, frozen=True, kw_only=True):
        """Every account has been paid. `amount` is what all of them earned, before anything was withheld."""

        accounts: int
        amount: Money

        def apply(self, period: "InterestPeriod") -> None:
            period.is_paid = True

    def begin(self, first_day: date, rates: Sequence[AnnualRate], *, today: date, at: datetime) -> None:
        """Begin to pay a month that is over; one that has begun changes nothing."""
        last_day = end_of_month(first_day)
        if today <= last_day:
            raise InterestMustBeDue(f"it is {today}, the month ends on {last_day}")
        if self.first_day is None:
            self.record(
                InterestPeriod.Begun, at=at, first_day=first_day, last_day=last_day, rates=tuple(rates)
            )

    def finish(self, *, accounts: int, amount: Money, at: datetime) -> None:
        """Note that every account has been paid; asking again changes nothing."""
        if self.first_day is not None and not self.is_paid:
            self.record(InterestPeriod.Paid, at=at, accounts=accounts, amount=amount)

    FACTS = (Begun, Paid)


def period_id(first_day: date) -> UUID:
    """The id of a month's interest: derived, so that it is paid once."""
    return uuid5(FIRM, f"interest/{first_day.isoformat()}")


def end_of_month(first_day: date) -> date:
    """The last day of the month."""
    return (first_day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def days_from(first_day: date, last_day: date) -> list[date]:
    """All days of a span, both ends included."""
    return [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]


def months_between(first: date, last: date) -> list[date]:
    """The first day of every month from `first`'s to the last that ended before `last`."""
    months, month = [], first.replace(day=1)
    while end_of_month(month) < last:
        months.append(month)
        month = end_of_month(month) + timedelta(days=1)
    return months
