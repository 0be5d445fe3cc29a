"""What a sale made of the lots it took: proceeds, cost and gain lot by lot, each short or long term."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from domain.position import Relief
from domain.tax import Term, shares_of, term_of
from domain.values import NOTHING


class SoldLot(Struct):
    """Shares sold out of one lot, in dollars. `proceeds` are after charges.

    `gain` is proceeds less cost, and with what of a loss was disallowed by a wash sale added. `held_since` is the
    day of the purchase, or an earlier one when the shares had replaced others. `term` is `short` or `long`.
    """

    lot_id: UUID
    quantity: Decimal
    acquired_on: date
    held_since: date
    proceeds: Decimal
    cost: Decimal
    wash_disallowed: Decimal
    gain: Decimal
    term: str


def sold_lots(relieved: Sequence[Relief], proceeds: Decimal, *, sold_on: date) -> Iterator[SoldLot]:
    """The lots of a sale, each with its part of the proceeds."""
    parts = shares_of(proceeds, [relief.quantity for relief in relieved])
    for relief, part in zip(relieved, parts, strict=True):
        yield SoldLot(
            lot_id=relief.lot_id,
            quantity=relief.quantity,
            acquired_on=relief.bought_on,
            held_since=relief.owned_since,
            proceeds=part,
            cost=relief.cost,
            wash_disallowed=NOTHING,
            gain=part - relief.cost,
            term=term_of(relief.owned_since, sold_on).value,
        )


def gain_of(lots: Sequence[SoldLot], term: Term) -> Decimal:
    """What lots of one term gained together, in dollars."""
    return sum((lot.gain for lot in lots if lot.term == term.value), NOTHING)
