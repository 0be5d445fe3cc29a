"""What a trade is charged: effective-dated rates, each with its own cap and rounding.

A schedule holds every rate there ever was, so that a trade of any day, replayed or corrected, is charged by
the rate of that day. Charges are worked out over all executions of an order: ten fills of one share pay what
one fill of ten would, and no cent is rounded ten times.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from msgspec import Struct

from domain.terms import Side
from domain.trade import Charge
from domain.values import CENT, NOTHING, Money, Quantity


class Per(StrEnum):
    """What a rate is multiplied by."""

    DOLLAR = "dollar"  # of the execution's money
    SHARE = "share"
    ORDER = "order"  # once, with the first execution


class Rounding(StrEnum):
    """How the exact figure is brought to the cent."""

    UP = "up"
    DOWN = "down"
    HALF_EVEN = "half_even"


_ROUNDING = {
    Rounding.UP: ROUND_CEILING,
    Rounding.DOWN: ROUND_FLOOR,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
}


class Rate(Struct, frozen=True, kw_only=True):
    """One rate, from a trade date on until the next rate of the same name on the same side.

    `most` caps the exact figure of one execution, `least` is the least an order pays; both in dollars.
    """

    name: str
    since: date
    rate: Decimal
    per: Per
    sides: frozenset[Side] = frozenset({Side.SELL})
    most: Money | None = None
    least: Money = NOTHING
    rounding: Rounding = Rounding.UP
    source: str = ""

    def exact(self, *, quantity: Quantity, notional: Decimal, is_first: bool) -> Decimal:
        """What an execution comes to before rounding, in dollars."""
        base = {Per.DOLLAR: notional, Per.SHARE: quantity, Per.ORDER: Decimal(int(is_first))}[self.per]
        exact = base * self.rate
        return exact if self.most is None else min(exact, self.most)

    def to_the_cent(self, exact: Decimal) -> Money:
        """What is charged for an exact figure, in dollars."""
        return max(exact.quantize(CENT, _ROUNDING[self.rounding]), self.least)


class FeeSchedule:
    """All rates, by name and day."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._rates: dict[str, list[Rate]] = {}
        for rate in rates:
            self._rates.setdefault(rate.name, []).append(rate)
        for same_name in self._rates.values():
            same_name.sort(key=lambda rate: rate.since)
        self._in_force: dict[tuple[date, Side], tuple[Rate, ...]] = {}

    def in_force(self, day: date, side: Side) -> tuple[Rate, ...]:
        """The rates that charge something on this side on this trade date, in the order of the schedule."""
        found = self._in_force.get((day, side))
        if found is None:
            found = self._in_force[day, side] = tuple(self._charging(day, side))
        return found

    def charges(
        self,
        *,
        day: date,
        side: Side,
        quantity: Quantity,
        notional: Decimal,
        so_far: Mapping[str, Charge],
        at_most: Money,
    ) -> tuple[Charge, ...]:
        """What one execution is charged. `so_far` is what the order was charged before it, by name.

        All charges together are at most `at_most` dollars: a sale never costs the seller money, and a buy
        never more than was set aside for it. What comes first in the schedule is paid first.
        """
        charges = []
        for rate in self.in_force(day, side):
            charge = _charge(rate, so_far.get(rate.name), quantity, notional, at_most)
            at_most -= charge.amount
            charges.append(charge)
        return tuple(charges)

    def most(self, *, day: date, side: Side, quantity: Quantity, notional: Decimal) -> Money:
        """The most an order of this size can be charged by the rates of the day, in dollars."""
        charges = self.charges(
            day=day, side=side, quantity=quantity, notional=notional, so_far={}, at_most=Decimal("Infinity")
        )
        return sum((charge.amount for charge in charges), NOTHING)

    def _charging(self, day: date, side: Side) -> Iterable[Rate]:
        for rates in self._rates.values():
            begun = [rate for rate in rates if rate.since <= day and side in rate.sides]
            if begun and (begun[-1].rate or begun[-1].least):
                yield begun[-1]


def _charge(rate: Rate, before: Charge | None, quantity: Quantity, notional: Decimal, room: Money) -> Charge:
    exact = rate.exact(quantity=quantity, notional=notional, is_first=before is None)
    paid, known = (before.amount, before.exact) if before else (NOTHING, Decimal(0))
    amount = max(rate.to_the_cent(known + exact) - paid, NOTHING)
    return Charge(name=rate.name, amount=min(amount, room), exact=exact)
