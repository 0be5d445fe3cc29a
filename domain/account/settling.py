"""What an account has traded and not yet settled, by the day on which it settles.

On the trade date both sides only promise. On the settlement date shares and money change hands through
the street (DTC and NSCC): until then a sale's proceeds may pay for a purchase, but not leave the account.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Event
from domain.errors import SettlementMustBeDue
from domain.trade import Trade
from domain.values import NO_SHARES, NOTHING, Money, Quantity


class Unsettled(Struct, kw_only=True, omit_defaults=True, gc=False):
    """All trades of one account that settle on one day. Amounts in dollars, shares by symbol.

    `proceeds` and `purchases` are the customer's side, after charges; `street_due` and `street_owed` the
    street's, before them; `fees` are the regulators' part of the sales.
    """

    proceeds: Money = NOTHING
    purchases: Money = NOTHING
    street_due: Money = NOTHING
    street_owed: Money = NOTHING
    fees: Money = NOTHING
    bought: dict[str, Quantity] = {}
    sold: dict[str, Quantity] = {}


class Settling:
    """The part of an account that settles its trades."""

    __slots__ = ()

    cash: Money
    unsettled: dict[date, Unsettled]
    good_faith_violations: list[date]
    record: Any

    class Settled(Event, frozen=True, kw_only=True):
        """Everything that was due on one day changed hands."""

        settles_on: date
        due: Unsettled

        def apply(self, account: "Settling") -> None:
            account.unsettled.pop(self.settles_on, None)

    class GoodFaithViolated(Event, frozen=True, kw_only=True):
        """Shares were sold before the sale proceeds that had paid for them had settled, on `paid_on`.

        A broker's policy beside Regulation T (12 CFR 220.8): detected and shown, and not refused.
        """

        order_id: UUID
        execution_id: UUID
        symbol: str
        quantity: Quantity
        paid_on: date
        trade_date: date

        def apply(self, account: "Settling") -> None:
            account.good_faith_violations.append(self.trade_date)

    def settle(self, *, through: date, at: datetime) -> None:
        """Settle all that is due up to a day, day by day; nothing due records nothing."""
        for day in sorted(day for day in self.unsettled if day <= through):
            self.record(Settling.Settled, at=at, settles_on=day, due=self.unsettled[day])

    def violate_good_faith(self, sale: Trade, *, quantity: Quantity, paid_on: date, at: datetime) -> None:
        """Note that shares were sold before the money that bought them had settled."""
        self.record(
            Settling.GoodFaithViolated,
            at=at,
            order_id=sale.order_id,
            execution_id=sale.execution_id,
            symbol=sale.symbol,
            quantity=quantity,
            paid_on=paid_on,
            trade_date=sale.trade_date,
        )

    @property
    def unsettled_proceeds(self) -> Money:
        """What sales have brought and the street has not yet paid."""
        return sum((due.proceeds for due in self.unsettled.values()), NOTHING)

    @property
    def settled_cash(self) -> Money:
        """What the firm owes the customer: sales count once the street has paid, purchases until it was."""
        owed = sum((due.purchases for due in self.unsettled.values()), NOTHING)
        return self.cash + owed - self.unsettled_proceeds

    def _will_pay(self, day: date, *, amount: Money, street: Money, symbol: str, quantity: Quantity) -> None:
        due = self._due_on(day)
        due.purchases += amount
        due.street_owed += street
        due.bought[symbol] = due.bought.get(symbol, NO_SHARES) + quantity

    def _will_receive(
        self, day: date, *, amount: Money, street: Money, fees: Money, symbol: str, quantity: Quantity
    ) -> None:
        due = self._due_on(day)
        due.proceeds += amount
        due.street_due += street
        due.fees += fees
        due.sold[symbol] = due.sold.get(symbol, NO_SHARES) + quantity

    def _due_on(self, day: date) -> Unsettled:
        due = self.unsettled.get(day)
        if due is None:
            due = self.unsettled[day] = Unsettled()
        return due


def require_due(through: date, *, today: date) -> None:
    """Refuse to settle a day that has not come. Raises SettlementMustBeDue."""
    if through > today:
        raise SettlementMustBeDue(f"it is {today}, {through} has not come")
