"""What one execution moves: the same few facts for the order, the cash and the shares."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from domain.values import NOTHING, Money, Price, Quantity

COMMISSION = "commission"
"""The charge that is the broker's own; every other one is collected for somebody else."""


class TradeDates(Struct, frozen=True, gc=False):
    """The day a trade counts to by the exchange, and the day on which it settles."""

    trade_date: date
    settles_on: date


class Charge(Struct, frozen=True, kw_only=True, gc=False):
    """What one execution is charged under one name, such as `commission` or `sec31`.

    `amount` is what is paid, to the cent; `exact` what the rate came to before rounding. The amounts of an
    order's executions add up to the rounded sum of their exact figures.
    """

    name: str
    amount: Money
    exact: Decimal


class Trade(Struct, frozen=True, kw_only=True, gc=False):
    """So many shares of a symbol at a price, and the money that changes hands for them.

    `amount` is the customer's money: what the shares cost with the charges, or what they bring without them.
    `street` is the street's money for the same shares, rounded half to even over all executions of the order,
    while the customer's is rounded up for a buy and down for a sale; the part of a cent between them is the
    firm's. `leaves_quantity` is what the order has left after it. It settles on `settles_on`.
    """

    order_id: UUID
    execution_id: UUID
    symbol: str
    quantity: Quantity
    price: Price
    amount: Money
    street: Money
    leaves_quantity: Quantity
    trade_date: date
    settles_on: date
    charges: tuple[Charge, ...] = ()

    @property
    def street_if_other(self) -> Money | None:
        """The street's money when it is not the customer's; as events keep it."""
        return None if self.street == self.amount else self.street

    @property
    def fees(self) -> Money:
        """The part of the charges that is collected for others."""
        return fees_of(self.charges)


def total(charges: tuple[Charge, ...]) -> Money:
    """All charges together, in dollars."""
    return sum((charge.amount for charge in charges), NOTHING) if charges else NOTHING


def fees_of(charges: tuple[Charge, ...]) -> Money:
    """What of the charges is collected for others, in dollars."""
    return sum((charge.amount for charge in charges if charge.name != COMMISSION), NOTHING)
