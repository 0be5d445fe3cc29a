"""Lots: shares bought at once with their cost, and what sales take out of them."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.values import Money, Quantity, rounded


class Lot(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Shares bought at once. `cost` is for all of them, to the cent; the lot's id is its execution's.

    `paid_on` is when the sale proceeds that paid for it settle; None when settled cash did. `trade_date` is the
    exchange's day, None when that is the day of `acquired_at`. A lot that `replaces` the shares of a wash sale (the
    sale's execution) has its disallowed loss in the cost, and counts as owned since `held_since`; it may be a part of
    a lot, with an id of its own. `order_id` is the purchase's order: known once it is here, and not stored with it.
    """

    lot_id: UUID
    quantity: Quantity
    cost: Money
    acquired_at: datetime
    paid_on: date | None = None
    trade_date: date | None = None
    held_since: date | None = None
    replaces: UUID | None = None
    order_id: UUID | None = None

    @property
    def bought_on(self) -> date:
        """The trade date of the purchase."""
        return self.trade_date or self.acquired_at.date()

    @property
    def owned_since(self) -> date:
        """The day from which the shares count as owned: that of the purchase, or an earlier one."""
        return self.held_since or self.bought_on


class Relief(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Shares taken out of a lot by a sale, with their part of the lot's cost. Days are as in Lot."""

    lot_id: UUID
    quantity: Quantity
    cost: Money
    acquired_at: datetime
    paid_on: date | None = None
    trade_date: date | None = None
    held_since: date | None = None

    @property
    def bought_on(self) -> date:
        """The trade date of the purchase."""
        return self.trade_date or self.acquired_at.date()

    @property
    def owned_since(self) -> date:
        """The day from which the shares count as owned: that of the purchase, or an earlier one."""
        return self.held_since or self.bought_on


def part_of(lot: Lot, taken: Quantity) -> Relief:
    """A part of a lot with its part of the cost; the last piece takes the remainder."""
    return Relief(
        lot_id=lot.lot_id,
        quantity=taken,
        cost=cost_of(lot, taken),
        acquired_at=lot.acquired_at,
        paid_on=lot.paid_on,
        trade_date=lot.trade_date,
        held_since=lot.held_since,
    )


def cost_of(lot: Lot, taken: Quantity) -> Money:
    """What a part of a lot has cost, to the cent; all of it has cost all."""
    return lot.cost if taken == lot.quantity else rounded(lot.cost * taken / lot.quantity)


def remainder_of(lot: Lot, relief: Relief) -> Lot:
    """What a lot is after a part was taken out of it."""
    return replace(lot, quantity=lot.quantity - relief.quantity, cost=lot.cost - relief.cost)
