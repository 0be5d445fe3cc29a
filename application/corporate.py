"""The commands of dividends, splits and interest. Firm-wide ones name the firm as their account.

What an action does to an account is a command to that account alone, with everything in it that the decision
needs: so it can be given again, by whoever, and changes nothing the second time.
"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from application.commands import Command, Stream
from domain.account import Account, Entitlement
from domain.corporate_action import FIRM, CorporateAction
from domain.interest import AnnualRate, InterestPeriod
from domain.position import Position, position_id
from domain.values import Money, Price, Quantity


class ActionCommand(Command, frozen=True, kw_only=True):
    """An order to Daybook concerning one corporate action."""

    account_id: UUID = FIRM
    action_id: UUID

    def streams(self) -> Iterator[Stream]:
        """The action."""
        yield CorporateAction, self.action_id


class AnnounceDividend(ActionCommand, frozen=True, kw_only=True):
    """Announce that `rate` dollars a share will be paid on `pay_date`."""

    symbol: str
    rate: Decimal
    ex_date: date
    record_date: date
    pay_date: date


class AnnounceSplit(ActionCommand, frozen=True, kw_only=True):
    """Announce `numerator` new shares for `denominator` old ones. `today` is the day by the exchange."""

    symbol: str
    numerator: int
    denominator: int
    ex_date: date
    cash_in_lieu: Price | None = None
    today: date


class CancelAction(ActionCommand, frozen=True, kw_only=True):
    """Take back an announcement."""

    reason: str


class BeginAction(ActionCommand, frozen=True, kw_only=True):
    """Begin to work on accounts; `today` is the day by the exchange."""

    today: date


class FixEntitlements(ActionCommand, frozen=True, kw_only=True):
    """Note that every holder of a dividend's ex-date is known."""

    accounts: int
    quantity: Quantity
    amount: Money


class CompleteAction(ActionCommand, frozen=True, kw_only=True):
    """Note that every account has it behind it."""

    accounts: int


class ApplySplit(Command, frozen=True, kw_only=True):
    """Split an account's shares of a symbol, and its orders in it, that are from before `effective_at`."""

    action_id: UUID
    symbol: str
    numerator: int
    denominator: int
    cash_in_lieu: Price | None = None
    effective_at: datetime

    def streams(self) -> Iterator[Stream]:
        """The account and the position; its orders are found from them."""
        yield Account, self.account_id
        yield Position, position_id(self.account_id, self.symbol)


class EntitleDividend(Command, frozen=True, kw_only=True):
    """Note what an account will be paid of a dividend."""

    entitlement: Entitlement


class PayDividend(Command, frozen=True, kw_only=True):
    """Pay what the account is entitled to, less the part `withholding` for the tax office."""

    action_id: UUID
    withholding: Decimal = Decimal(0)


class PeriodCommand(Command, frozen=True, kw_only=True):
    """An order to Daybook concerning one month's interest."""

    account_id: UUID = FIRM
    period_id: UUID

    def streams(self) -> Iterator[Stream]:
        """The month."""
        yield InterestPeriod, self.period_id


class BeginInterest(PeriodCommand, frozen=True, kw_only=True):
    """Begin to pay the month that began on `first_day`; `today` is the day by the exchange."""

    first_day: date
    rates: tuple[AnnualRate, ...]
    today: date


class FinishInterest(PeriodCommand, frozen=True, kw_only=True):
    """Note that every account has been paid."""

    accounts: int
    amount: Money


class PayInterest(Command, frozen=True, kw_only=True):
    """Pay an account what its settled cash has accrued over a span of days."""

    first_day: date
    last_day: date
    accrued: Decimal
    withholding: Decimal = Decimal(0)
