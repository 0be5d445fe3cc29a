"""Pays interest on cash, month by month, once a month is over.

A month's rates are fixed in the log as its payment begins, and each account's daily balances are read out of the
log: so a payment that comes late, or is tried again after a crash, comes to the same.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

import structlog

from application import corporate as c
from application.answers import PeriodAnswer
from application.holdings import settled_cash_at
from domain.interest import AnnualRate, accrued, days_from, end_of_month, months_between, period_id
from domain.values import NOTHING, rounded
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.bookkeeping.giving import Giver
from infrastructure.market.calendars import Calendar
from infrastructure.settings import SettingIsWrong

log = structlog.get_logger()


class InterestOnCash:
    """The interest of one log."""

    def __init__(
        self,
        accounts: Accounts,
        giver: Giver,
        *,
        calendar: Calendar,
        rates: Sequence[AnnualRate],
        withholding: Decimal = Decimal(0),
    ) -> None:
        self._accounts = accounts
        self._giver = giver
        self._calendar = calendar
        self._rates = tuple(rates)
        self._withholding = withholding
        self._paid: set[date] = set()

    def run(self, today: date) -> int:
        """Pay every month that is over by a day and not yet paid. Returns how many.

        Raises ReadTableMustReachPosition while the read tables are behind.
        """
        if not any(one.rate for one in self._rates):
            return 0
        return sum(self._pay(month, today) for month in self._months(today) if month not in self._paid)

    def _months(self, today: date) -> list[date]:
        opened = self._accounts.first_opened()
        if opened is None:
            return []
        since = max(self._calendar.day_of(opened), min(one.since for one in self._rates))
        return months_between(since, today)

    def _pay(self, month: date, today: date) -> bool:
        begin = c.BeginInterest(period_id=period_id(month), first_day=month, rates=self._rates, today=today)
        answer = self._giver.give(begin)
        assert isinstance(answer, PeriodAnswer)  # noqa: S101  what this command is answered with
        if not answer.is_paid:
            self._pay_accounts(month, answer.rates)
        self._paid.add(month)
        return not answer.is_paid

    def _pay_accounts(self, month: date, rates: Sequence[AnnualRate]) -> None:
        self._accounts.require_reached("balances", log_position=self._accounts.log_end())
        payments = list(self._payments(month, rates))
        self._giver.give_all(payments)
        amount = sum((rounded(one.accrued) for one in payments), NOTHING)
        finished = c.FinishInterest(period_id=period_id(month), accounts=len(payments), amount=amount)
        self._giver.give(finished)
        log.info("interest was paid", month=f"{month:%Y-%m}", accounts=len(payments), amount=str(amount))

    def _payments(self, month: date, rates: Sequence[AnnualRate]) -> Iterator[c.PayInterest]:
        last_day = end_of_month(month)
        ends = [(day, self._calendar.midnight(day + timedelta(days=1))) for day in days_from(month, last_day)]
        for account_id, events in self._accounts.events_of(self._accounts.not_closed()):
            earned = accrued(settled_cash_at(ends, events), rates)
            if rounded(earned) > NOTHING:
                yield c.PayInterest(
                    account_id=account_id,
                    first_day=month,
                    last_day=last_day,
                    accrued=earned,
                    withholding=self._withholding,
                )


def annual_rates(text: str) -> tuple[AnnualRate, ...]:
    """The rates that a setting such as `2026-01-01:0.035,2026-07-01:0.0325` names. Raises SettingIsWrong."""
    return tuple(_rate(part.strip()) for part in text.split(",") if part.strip())


def _rate(text: str) -> AnnualRate:
    day, _, rate = text.partition(":")
    try:
        found = AnnualRate(date.fromisoformat(day.strip()), Decimal(rate.strip()))
    except (ValueError, ArithmeticError):
        raise SettingIsWrong(f"an interest rate is a day and a part of one, not {text!r}") from None
    if not (found.rate.is_finite() and 0 <= found.rate < 1):
        raise SettingIsWrong(f"an interest rate is from 0 to less than 1 a year, not {rate}")
    return found
