"""The rules of trading as the settings have them: collar, charges, transfers, and when trades settle."""

from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from application.expected import TellTheOperator
from application.rules import FundingTerms, TradingRules
from domain.fees import FeeSchedule, Per, Rate, Rounding
from domain.rates import US_SHARES
from domain.terms import Side
from domain.trade import COMMISSION, TradeDates
from domain.values import NOTHING, Money
from infrastructure.market.calendars import Calendar, calendar_named
from infrastructure.settings import Settings


class CommissionCannotBeRead(TellTheOperator):
    """The file of commissions is not there, or not what it must be."""


class CommissionRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One commission of the file: a list of these, decimals as strings.

    `rate` is in dollars a dollar, a share or an order; `most` caps one execution, `least` is an order's least.
    """

    since: date
    rate: Money
    per: Per
    sides: tuple[Side, ...] = (Side.BUY, Side.SELL)
    most: Money | None = None
    least: Money = NOTHING
    rounding: Rounding = Rounding.HALF_EVEN


class CalendarCycle:
    """Trades settle so many sessions of a calendar after their trade date (T+1 in the US since 2024-05-28)."""

    def __init__(self, calendar: Calendar, *, sessions: int) -> None:
        self._calendar = calendar
        self._sessions = sessions
        self._known: dict[date, TradeDates] = {}

    def dates(self, at: datetime) -> TradeDates:
        """The exchange's day of a moment, and when what is traded on it settles."""
        day = self._calendar.day_of(at)
        found = self._known.get(day)
        if found is None:
            settles = self._calendar.session_after(day, self._sessions)
            found = self._known[day] = TradeDates(trade_date=day, settles_on=settles)
        return found


def trading_rules(settings: Settings) -> TradingRules:
    """What every committer of this Daybook decides by. Raises CommissionCannotBeRead, CalendarIsUnknown."""
    rates = US_SHARES if settings.fees == "us" else ()
    commission = () if settings.commission_file is None else commissions_from(settings.commission_file)
    return TradingRules(
        collar=settings.collar,
        fees=FeeSchedule((*rates, *commission)),  # a sale that brings little pays the regulators first
        cycle=CalendarCycle(calendar_named(settings.calendar), sessions=settings.settlement_days),
        funding=FundingTerms(
            is_instant=settings.funding == "instant", delay=timedelta(seconds=settings.funding_delay)
        ),
    )


def commissions_from(file: Path) -> tuple[Rate, ...]:
    """The broker's own rates. Raises CommissionCannotBeRead."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[CommissionRate])
        return tuple(_rate(each) for each in found)
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise CommissionCannotBeRead(f"commissions cannot be read from {file}: {error}") from error


def _rate(read: CommissionRate) -> Rate:
    amounts = (read.rate, read.least, NOTHING if read.most is None else read.most)
    if not all(amount.is_finite() and amount >= 0 for amount in amounts):
        raise ValueError("a commission is a number from 0 on")
    return Rate(
        name=COMMISSION,
        since=read.since,
        rate=read.rate,
        per=read.per,
        sides=frozenset(read.sides),
        most=read.most,
        least=read.least,
        rounding=read.rounding,
        source="the broker's commissions",
    )
