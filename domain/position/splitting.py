"""What a split does to a position: as many lots as before, of the same days and total costs, with other quantities.

A split exchanges shares and realises nothing: the cost is spread over the shares after it (26 CFR 1.307-1), and
the days on which they were acquired stay (26 U.S.C. 1223(4)). A fraction of a share that is paid in cash counts as
received and sold (Rev. Rul. 66-365), out of the oldest lots.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.aggregate import Event
from domain.position.lots import Lot, Relief
from domain.position.washing import split_losses
from domain.values import MICROSHARE, NO_SHARES, NOTHING, Money, Price, Quantity, rounded


class SplitRatio(Struct, frozen=True, kw_only=True, gc=False):
    """`numerator` new shares for each `denominator` old ones: 7 for 1, 3 for 2, 1 for 10."""

    numerator: int
    denominator: int

    def of(self, shares: Quantity) -> Quantity:
        """So many shares after the split, down to a millionth."""
        return (shares * self.numerator / self.denominator).quantize(MICROSHARE, ROUND_FLOOR)

    @property
    def is_whole(self) -> bool:
        """Whether every share becomes whole shares, so that no fraction arises that was not there before."""
        return self.numerator % self.denominator == 0


class SplitLot(Struct, frozen=True, kw_only=True, gc=False):
    """One lot's shares before and after a split. `cost` is for all of them, and stays."""

    lot_id: UUID
    before: Quantity
    after: Quantity
    cost: Money
    acquired_at: datetime


class SplitReserve(Struct, frozen=True, kw_only=True, gc=False):
    """Shares that one open order to sell has reserved, before and after a split."""

    order_id: UUID
    before: Quantity
    after: Quantity


class Splitting:
    """The part of a position that splits."""

    __slots__ = ()

    symbol: str
    quantity: Quantity
    reserved: Quantity
    reserves: dict[UUID, Quantity]
    lots: list[Lot]
    realised: Money
    splits: set[UUID]
    record: Any
    _reserve: Callable[[UUID, Quantity], None]
    _relieve: Callable[[tuple[Relief, ...]], None]
    _oldest_first: Callable[[Quantity], tuple[Relief, ...]]

    class Split(Event, frozen=True, kw_only=True):
        """Every `denominator` shares became `numerator` shares, in all lots and in what orders to sell reserve.

        `before` and `after` are the whole position's shares; lots of after the ex-date are not among `lots`.
        """

        action_id: UUID
        symbol: str
        numerator: int
        denominator: int
        before: Quantity
        after: Quantity
        lots: tuple[SplitLot, ...] = ()
        reserves: tuple[SplitReserve, ...] = ()

        @property
        def held_more(self) -> Quantity:
            """By how much the reserved shares have become more."""
            return sum((one.after - one.before for one in self.reserves), NO_SHARES)

        def apply(self, position: Any) -> None:
            after = {one.lot_id: one.after for one in self.lots}
            position.symbol = self.symbol
            position.splits.add(self.action_id)
            position.lots = [_with(lot, after.get(lot.lot_id)) for lot in position.lots]
            position.quantity = self.after
            for one in self.reserves:
                position._reserve(one.order_id, one.after - one.before)
            ratio = SplitRatio(numerator=self.numerator, denominator=self.denominator)
            position._split_claims(ratio.of, after)
            before = self.recorded_at.date()
            position.losses = list(split_losses(position.losses, ratio.of, before=before))

    class FractionCashed(Event, frozen=True, kw_only=True):
        """The fraction of a share that a split left was paid in cash, out of these lots.

        `profit` is the cash less their cost.
        """

        action_id: UUID
        symbol: str
        quantity: Quantity
        price: Price
        cash: Money
        cost: Money
        profit: Money
        relieved: tuple[Relief, ...]

        def apply(self, position: Any) -> None:
            position._relieve(self.relieved)
            position.quantity -= self.quantity
            position.realised += self.profit

    def split(
        self,
        ratio: SplitRatio,
        *,
        action_id: UUID,
        symbol: str,
        reserves: Iterable[SplitReserve] = (),
        acquired_before: datetime,
        at: datetime,
    ) -> None:
        """Split the lots acquired before a moment, and what orders have `reserves` of; once for each action."""
        if action_id in self.splits:
            return
        lots = split_lots([lot for lot in self.lots if lot.acquired_at < acquired_before], ratio)
        self.record(
            Splitting.Split,
            at=at,
            action_id=action_id,
            symbol=symbol,
            numerator=ratio.numerator,
            denominator=ratio.denominator,
            before=self.quantity,
            after=self.quantity + sum((one.after - one.before for one in lots), NO_SHARES),
            lots=lots,
            reserves=tuple(reserves),
        )

    def cash_fraction(self, fraction: Quantity, *, action_id: UUID, price: Price, at: datetime) -> Money:
        """Give the fraction of a share away at a price. Returns the cash for it, to the cent, half to even."""
        relieved = self._oldest_first(fraction)
        cost, cash = sum((relief.cost for relief in relieved), NOTHING), rounded(fraction * price)
        self.record(
            Splitting.FractionCashed,
            at=at,
            action_id=action_id,
            symbol=self.symbol,
            quantity=fraction,
            price=price,
            cash=cash,
            cost=cost,
            profit=cash - cost,
            relieved=relieved,
        )
        return cash

    def is_split_by(self, action_id: UUID) -> bool:
        """Whether this action has been applied."""
        return action_id in self.splits

    def has_lots_of(self, before: datetime) -> bool:
        """Whether there are shares acquired before a moment."""
        return any(lot.acquired_at < before for lot in self.lots)


def split_lots(lots: Sequence[Lot], ratio: SplitRatio) -> tuple[SplitLot, ...]:
    """The lots after a split. Together they are what all shares together become, down to a millionth.

    What rounding leaves of a lot goes to the next; but none, however small, comes to nothing.
    """
    split, before, given = [], NO_SHARES, NO_SHARES
    for lot in lots:
        before += lot.quantity
        after = max(ratio.of(before) - given, MICROSHARE)
        given += after
        split.append(
            SplitLot(
                lot_id=lot.lot_id,
                before=lot.quantity,
                after=after,
                cost=lot.cost,
                acquired_at=lot.acquired_at,
            )
        )
    return tuple(split)


def _with(lot: Lot, quantity: Decimal | None) -> Lot:
    return lot if quantity is None else msgspec.structs.replace(lot, quantity=quantity)
