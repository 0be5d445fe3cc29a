"""What an account receives without trading: dividends, interest on its cash, and cash for the fraction of a share."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Event
from domain.reversal import Reversal
from domain.values import NO_SHARES, NOTHING, Money, Price, Quantity, rounded


class Entitlement(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A dividend that an account will be paid: `rate` dollars for each of so many shares, `gross` in all."""

    action_id: UUID
    symbol: str
    quantity: Quantity
    rate: Decimal
    gross: Money
    ex_date: date
    pay_date: date


class Receiving:
    """The part of an account that receives income."""

    __slots__ = ()

    cash: Money
    shares: dict[str, Quantity]
    actions: set[UUID]
    entitlements: dict[UUID, Entitlement]
    interest_paid_through: date | None
    record: Any
    _own: Callable[[str, Quantity], None]

    class DividendEntitled(Event, frozen=True, kw_only=True):
        """The account held shares as their ex-date began: it will be paid a dividend for them."""

        entitlement: Entitlement

        def apply(self, account: Any) -> None:
            account.entitlements[self.entitlement.action_id] = self.entitlement
            account.actions.add(self.entitlement.action_id)

    class DividendPaid(Event, frozen=True, kw_only=True):
        """A dividend came into the cash: `amount` is `gross` less what was `withheld` for the tax office."""

        action_id: UUID
        symbol: str
        quantity: Quantity
        rate: Decimal
        gross: Money
        amount: Money
        withheld: Money = NOTHING

        @property
        def brought(self) -> Money:
            """By how much the cash grew."""
            return self.amount

        def apply(self, account: Any) -> None:
            account.entitlements.pop(self.action_id, None)
            account.cash += self.amount

        def undo(self, account: Any, _: Reversal) -> None:
            account.cash -= self.amount  # and it stays paid: the day's work must not pay it again

    class InterestPaid(Event, frozen=True, kw_only=True):
        """Interest on settled cash, for the days from `first_day` to `last_day`, came into the cash.

        `accrued` is its exact sum over the days, `gross` that to the cent.
        """

        first_day: date
        last_day: date
        accrued: Decimal
        gross: Money
        amount: Money
        withheld: Money = NOTHING

        @property
        def brought(self) -> Money:
            """By how much the cash grew."""
            return self.amount

        def apply(self, account: Any) -> None:
            account.interest_paid_through = self.last_day
            account.cash += self.amount

        def undo(self, account: Any, _: Reversal) -> None:
            account.cash -= self.amount  # and it stays paid: the day's work must not pay it again

    class SharesSplit(Event, frozen=True, kw_only=True):
        """A split changed how many shares of a symbol the account has; the lots say how."""

        action_id: UUID
        symbol: str
        numerator: int
        denominator: int
        before: Quantity
        after: Quantity

        def apply(self, account: Any) -> None:
            account._own(self.symbol, self.after - self.before)

    class CashInLieuPaid(Event, frozen=True, kw_only=True):
        """Cash came in for the fraction of a share that a split had left."""

        action_id: UUID
        symbol: str
        quantity: Quantity
        price: Price
        amount: Money

        def apply(self, account: Any) -> None:
            account._own(self.symbol, -self.quantity)
            account.cash += self.amount

    def entitle(self, entitlement: Entitlement, *, at: datetime) -> None:
        """Note a dividend that will be paid; once for each corporate action, and not for less than a cent."""
        if entitlement.gross > NOTHING and entitlement.action_id not in self.actions:
            self.record(Receiving.DividendEntitled, at=at, entitlement=entitlement)

    def pay_dividend(self, action_id: UUID, *, withholding: Decimal, at: datetime) -> bool:
        """Pay what the account is entitled to, less the part `withholding`; without entitlement nothing.

        Returns whether there was anything to pay.
        """
        due = self.entitlements.get(action_id)
        if due is None:
            return False
        withheld = rounded(due.gross * withholding)
        self.record(
            Receiving.DividendPaid,
            at=at,
            action_id=action_id,
            symbol=due.symbol,
            quantity=due.quantity,
            rate=due.rate,
            gross=due.gross,
            amount=due.gross - withheld,
            withheld=withheld,
        )
        return True

    def pay_interest(
        self, accrued: Decimal, *, first_day: date, last_day: date, withholding: Decimal, at: datetime
    ) -> None:
        """Pay the interest of a span of days, to the cent; once, and not less than a cent."""
        gross = rounded(accrued)
        if gross <= NOTHING or not self.awaits_interest(first_day):
            return
        withheld = rounded(gross * withholding)
        self.record(
            Receiving.InterestPaid,
            at=at,
            first_day=first_day,
            last_day=last_day,
            accrued=accrued,
            gross=gross,
            amount=gross - withheld,
            withheld=withheld,
        )

    def note_split(
        self,
        *,
        action_id: UUID,
        symbol: str,
        numerator: int,
        denominator: int,
        change: Quantity,
        at: datetime,
    ) -> None:
        """Note by how many shares a split has changed the account's."""
        before = self.shares.get(symbol, NO_SHARES)
        self.record(
            Receiving.SharesSplit,
            at=at,
            action_id=action_id,
            symbol=symbol,
            numerator=numerator,
            denominator=denominator,
            before=before,
            after=before + change,
        )

    def pay_cash_in_lieu(
        self, amount: Money, *, action_id: UUID, symbol: str, quantity: Quantity, price: Price, at: datetime
    ) -> None:
        """Pay for the fraction of a share that a split has left."""
        self.record(
            Receiving.CashInLieuPaid,
            at=at,
            action_id=action_id,
            symbol=symbol,
            quantity=quantity,
            price=price,
            amount=amount,
        )

    def awaits_interest(self, first_day: date) -> bool:
        """Whether interest of the days from here on has not been paid yet."""
        return self.interest_paid_through is None or self.interest_paid_through < first_day


def entitlement_of(
    *, action_id: UUID, symbol: str, quantity: Quantity, rate: Decimal, ex_date: date, pay_date: date
) -> Entitlement:
    """So many shares' dividend: their exact product with the rate, to the cent, half to even."""
    return Entitlement(
        action_id=action_id,
        symbol=symbol,
        quantity=quantity,
        rate=rate,
        gross=rounded(quantity * rate),
        ex_date=ex_date,
        pay_date=pay_date,
    )
