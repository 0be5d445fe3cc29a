"""Lots: shares bought at once with their cost, and what sales take out of them."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from domain.values import Money, Quantity, rounded


class Lot(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Shares bought at once. `cost` is for all of them, to the cent; the lot's id is its execution's.

    `paid_on` is when the sale proceeds that paid for it settle; None when settled cash did.
    """

    lot_id: UUID
    quantity: Quantity
    cost: Money
    acquired_at: datetime
    paid_on: date | None = None


class Relief(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Shares taken out of a lot by a sale, with their part of the lot's cost."""

    lot_id: UUID
    quantity: Quantity
    cost: Money
    acquired_at: datetime
    paid_on: date | None = None


def part_of(lot: Lot, taken: Quantity) -> Relief:
    """A part of a lot with its part of the cost; the last piece takes the remainder."""
    cost = lot.cost if taken == lot.quantity else rounded(lot.cost * taken / lot.quantity)
    return Relief(
        lot_id=lot.lot_id, quantity=taken, cost=cost, acquired_at=lot.acquired_at, paid_on=lot.paid_on
    )


def remainder_of(lot: Lot, relief: Relief) -> Lot:
    """What a lot is after a part was taken out of it."""
    return Lot(
        lot_id=lot.lot_id,
        quantity=lot.quantity - relief.quantity,
        cost=lot.cost - relief.cost,
        acquired_at=lot.acquired_at,
        paid_on=lot.paid_on,
    )
