"""Taking back what an execution did to a position: bought shares leave as a whole lot, sold ones come back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import EventMustBeReversible, LotMustBeWhole
from domain.position.lots import Lot, Relief
from domain.position.washing import Loss, losses_of
from domain.reversal import Reversal, Reversing, facts_of
from domain.terms import LotChoice
from domain.values import Quantity

KINDS: dict[str, Any] = {}
"""Facts of a position that can be taken back, by name; core.py puts them here."""


class ReturnedLot(Struct, frozen=True, kw_only=True, gc=False):
    """Shares that come back from a sale, with their cost and days. A lot that is gone comes back at `place`."""

    lot: Lot
    place: int


class Undoing(Reversing):
    """The part of a position whose executions can be taken back."""

    __slots__ = ()

    symbol: str
    quantity: Quantity
    reserved: Quantity
    lots: list[Lot]
    losses: list[Loss]
    splits: set[UUID]
    claims: dict[UUID, list[LotChoice]]
    record: Any
    release: Any

    class Reversed(Reversal, frozen=True, kw_only=True):
        """The shares of an execution are taken back: a lot leaves, or sold shares are `returned` to theirs."""

        returned: tuple[ReturnedLot, ...] = ()

        KINDS: ClassVar[dict[str, Any]] = KINDS

        @property
        def symbol(self) -> str:
            """The ticker."""
            return str(self.fact["symbol"])

    def reverse_purchase(self, opened: Any, *, reason: str, at: datetime) -> None:
        """Let bought shares go again. Raises LotMustBeWhole when not all of them are there, as bought and free."""
        self.require_reversible(opened, KINDS)
        self._require_whole(opened.lot)
        self.record(Undoing.Reversed, at=at, **facts_of(opened, reason=reason, kinds=KINDS))

    def reverse_sale(
        self,
        relieved: Any,
        *,
        lots_before: Sequence[Lot],
        splits_before: frozenset[UUID],
        reason: str,
        at: datetime,
    ) -> None:
        """Take sold shares back into their lots. `lots_before` and `splits_before` are as just before the sale.

        Raises EventMustBeReversible after a split, or when a wash sale rests on it.
        """
        self.require_reversible(relieved, KINDS)
        if splits_before != self.splits:
            raise EventMustBeReversible("the shares have split since")
        self._require_unwashed(relieved)
        self.record(
            Undoing.Reversed,
            at=at,
            returned=tuple(self._returned(relieved.relieved, lots_before)),
            **facts_of(relieved, reason=reason, kinds=KINDS),
        )
        self.release(relieved.quantity, order_id=relieved.order_id, at=at)

    def _require_whole(self, bought: Lot) -> None:
        lot = next((lot for lot in self.lots if lot.lot_id == bought.lot_id), None)
        if lot is None or replace(lot, order_id=None) != replace(bought, order_id=None):
            raise LotMustBeWhole("its shares were sold, split, or have replaced others sold at a loss")
        if self.quantity - self.reserved < lot.quantity or self._is_claimed(lot):
            raise LotMustBeWhole("its shares are promised to an order to sell")

    def _is_claimed(self, lot: Lot) -> bool:
        return any(choice.lot_id == lot.lot_id for choices in self.claims.values() for choice in choices)

    def _require_unwashed(self, relieved: Any) -> None:
        """What a sale lost must still be open or too long ago, and its lots as they were."""
        ids = {relief.lot_id for relief in relieved.relieved}
        if any(lot.replaces == relieved.execution_id for lot in self.lots):
            raise EventMustBeReversible("shares bought near it have replaced those sold")
        if any(relief.held_since for relief in relieved.relieved) or any(
            lot.lot_id in ids and lot.replaces for lot in self.lots
        ):
            raise EventMustBeReversible("its shares have replaced others sold at a loss")
        lost = losses_of(
            relieved.execution_id, relieved.relieved, relieved.proceeds, sold_on=relieved.sold_on
        )
        open_now = {loss.lot_id: loss for loss in self.losses if loss.execution_id == relieved.execution_id}
        if any(open_now.get(loss.lot_id, loss) != loss for loss in lost):
            raise EventMustBeReversible("a part of its loss has been disallowed")

    def _returned(self, reliefs: Iterable[Relief], before: Sequence[Lot]) -> Iterable[ReturnedLot]:
        order = {lot.lot_id: (number, lot) for number, lot in enumerate(before)}
        there = {lot.lot_id for lot in self.lots}
        lots = list(self.lots)
        for relief in sorted(reliefs, key=lambda relief: order[relief.lot_id][0]):
            number, whole = order[relief.lot_id]
            lot = replace(whole, quantity=relief.quantity, cost=relief.cost)
            place = _place(lot, lots, {each for each, (rank, _) in order.items() if rank > number})
            if relief.lot_id not in there:
                lots.insert(place, lot)
            yield ReturnedLot(lot=lot, place=place)


def with_returned(lots: Sequence[Lot], returned: Iterable[ReturnedLot]) -> list[Lot]:
    """The lots with those shares in them again."""
    kept = list(lots)
    for one in returned:
        number = next((n for n, lot in enumerate(kept) if lot.lot_id == one.lot.lot_id), None)
        if number is None:
            kept.insert(one.place, one.lot)
        else:
            lot = kept[number]
            kept[number] = replace(
                lot, quantity=lot.quantity + one.lot.quantity, cost=lot.cost + one.lot.cost
            )
    return kept


def _place(lot: Lot, lots: Sequence[Lot], later: set[UUID]) -> int:
    """Where a lot stood among others: before what was bought later, or after it at the same moment."""
    for number, other in enumerate(lots):
        if other.acquired_at > lot.acquired_at or (
            other.acquired_at == lot.acquired_at and other.lot_id in later
        ):
            return number
    return len(lots)
