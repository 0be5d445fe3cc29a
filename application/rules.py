"""The rules of trading that are settings or tables, not facts: what a decision is told besides the time."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from domain.fees import FeeSchedule
from domain.trade import TradeDates


class SettlementCycle(Protocol):
    """When trades settle. Called for every execution: answer from memory."""

    def dates(self, at: datetime) -> TradeDates:
        """The trade date of a moment by the exchange, and when its trades settle."""


class NextDay:
    """Every day is a business day by UTC, and trades settle on the next: a market that never closes."""

    def dates(self, at: datetime) -> TradeDates:
        """The UTC day, and the one after it."""
        day: date = at.astimezone(UTC).date()
        return TradeDates(trade_date=day, settles_on=day + timedelta(days=1))


class FundingTerms(Struct, frozen=True):
    """How money comes and goes: at once, or by a bank that has done it `delay` later."""

    is_instant: bool = True
    delay: timedelta = timedelta(days=1)


class TradingRules(Struct, frozen=True, kw_only=True):
    """`collar` is the share above the ask that a market buy may cost; `fees` what trades are charged.

    `funding` is how transfers are made.
    """

    collar: Decimal = Decimal("0.05")
    fees: FeeSchedule = FeeSchedule(())
    cycle: SettlementCycle = NextDay()
    funding: FundingTerms = FundingTerms()
