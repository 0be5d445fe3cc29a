"""Wash sales: a loss is not allowed while the shares are bought again within 30 days before or after (26 U.S.C. 1091).

Share for share: as many of the shares sold at a loss as were bought lose it, earliest purchase and earliest sale first
(26 CFR 1.1091-1(b)-(d)). What is disallowed goes into the cost of the replacement shares (1091(d)), and the days the
sold shares were held count as theirs (1223(3)). A purchase replaces once (1.1091-1(e)); shares of the very purchase
that is sold in part replace nothing (Rev. Rul. 56-602). Days are trade dates. What is bought elsewhere is not known.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from domain.aggregate import Event
from domain.position.lots import Lot, Relief, cost_of
from domain.tax import WASH_WINDOW, Term, is_washed, shares_of, term_of
from domain.values import Money, Quantity, rounded


class Loss(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a sale lost on shares of one lot, and no replacement has taken up; `amount` is more than nothing."""

    execution_id: UUID
    lot_id: UUID
    sold_on: date
    owned_since: date
    quantity: Quantity
    amount: Money

    @property
    def term(self) -> Term:
        """Whether the loss is short or long term."""
        return term_of(self.owned_since, self.sold_on)

    @property
    def time_held(self) -> timedelta:
        """How long the sold shares were owned."""
        return self.sold_on - self.owned_since


class Washing:
    """The part of a position that finds wash sales."""

    __slots__ = ()

    symbol: str
    lots: list[Lot]
    losses: list[Loss]
    record: Any
    _replace_shares: Callable[[UUID, Lot, Money], None]

    class WashSaleDisallowed(Event, frozen=True, kw_only=True):
        """A part of a sale's loss is not allowed: shares of `replacement_id` replace the shares sold of `sold_lot_id`.

        They had cost `cost` and are `lot` from now on: their cost has grown by `disallowed`. They stay in their lot
        when they are all of it, else they become a lot of their own. `term` is that of the loss.
        """

        symbol: str
        execution_id: UUID
        sold_lot_id: UUID
        sold_on: date
        quantity: Quantity
        disallowed: Money
        term: Term
        replacement_id: UUID
        cost: Money
        lot: Lot

        def apply(self, position: Any) -> None:
            position.realised += self.disallowed
            position._replace_shares(self.replacement_id, self.lot, self.cost)
            position.losses = list(_less(position.losses, self))

    def _wash_by_sale(self, execution_id: UUID, orders: dict[UUID, UUID | None], *, at: datetime) -> None:
        """Look for replacements among the lots bought before a sale and still held. `orders` by sold lot."""
        for loss in [loss for loss in self.losses if loss.execution_id == execution_id]:
            order_id = orders.get(loss.lot_id)
            self._match(loss, [lot.lot_id for lot in self.lots if _replaces(lot, loss, order_id)], at=at)

    def _wash_by_purchase(self, lot_id: UUID, *, at: datetime) -> None:
        """Look for losses, earliest first, that shares bought just now replace."""
        for loss in list(self.losses):
            lot = self._lot(lot_id)
            if lot.replaces is None and is_washed(loss.sold_on, lot.bought_on):
                self._match(loss, [lot_id], at=at)

    def _match(self, loss: Loss, lot_ids: Iterable[UUID], *, at: datetime) -> None:
        quantity, amount = loss.quantity, loss.amount
        for lot in map(self._lot, lot_ids):
            if not quantity:
                break
            taken = min(quantity, lot.quantity)
            disallowed = amount if taken == quantity else rounded(amount * taken / quantity)
            self._disallow(loss, lot, taken, disallowed, at=at)
            quantity, amount = quantity - taken, amount - disallowed

    def _disallow(self, loss: Loss, lot: Lot, quantity: Quantity, disallowed: Money, *, at: datetime) -> None:
        cost = cost_of(lot, quantity)
        is_whole = quantity == lot.quantity
        self.record(
            Washing.WashSaleDisallowed,
            at=at,
            symbol=self.symbol,
            execution_id=loss.execution_id,
            sold_lot_id=loss.lot_id,
            sold_on=loss.sold_on,
            quantity=quantity,
            disallowed=disallowed,
            term=loss.term,
            replacement_id=lot.lot_id,
            cost=cost,
            lot=replace(
                lot,
                lot_id=lot.lot_id if is_whole else part_id(lot.lot_id, loss),
                quantity=quantity,
                cost=cost + disallowed,
                held_since=lot.bought_on - loss.time_held,
                replaces=loss.execution_id,
            ),
        )

    def _lot(self, lot_id: UUID) -> Lot:
        return next(lot for lot in self.lots if lot.lot_id == lot_id)


def part_id(lot_id: UUID, loss: Loss) -> UUID:
    """The id of a part of a lot that replaces the shares of a loss: derived, so that it is the same each time."""
    return uuid5(lot_id, f"wash/{loss.execution_id}/{loss.lot_id}")


def losses_of(
    execution_id: UUID, relieved: Sequence[Relief], proceeds: Money, *, sold_on: date
) -> Iterator[Loss]:
    """What a sale lost, lot by lot; lots with a gain are left out. `proceeds` are after charges."""
    parts = shares_of(proceeds, [relief.quantity for relief in relieved])
    for relief, part in zip(relieved, parts, strict=True):
        if part < relief.cost:
            yield Loss(
                execution_id=execution_id,
                lot_id=relief.lot_id,
                sold_on=sold_on,
                owned_since=relief.owned_since,
                quantity=relief.quantity,
                amount=relief.cost - part,
            )


def still_open(losses: Iterable[Loss], *, on: date) -> list[Loss]:
    """The losses that a purchase on a day could still replace."""
    return [loss for loss in losses if loss.sold_on + WASH_WINDOW >= on]


def split_losses(
    losses: Iterable[Loss], split: Callable[[Quantity], Quantity], *, before: date
) -> Iterator[Loss]:
    """The losses of sales before a split, in new shares."""
    for loss in losses:
        if loss.sold_on >= before:
            yield loss
        elif split(loss.quantity):
            yield replace(loss, quantity=split(loss.quantity))


def _replaces(lot: Lot, loss: Loss, order_id: UUID | None) -> bool:
    is_same_purchase = lot.lot_id == loss.lot_id or (order_id is not None and lot.order_id == order_id)
    return lot.replaces is None and not is_same_purchase and is_washed(loss.sold_on, lot.bought_on)


def _less(losses: Iterable[Loss], washed: Washing.WashSaleDisallowed) -> Iterator[Loss]:
    for loss in losses:
        if (loss.execution_id, loss.lot_id) != (washed.execution_id, washed.sold_lot_id):
            yield loss
        elif loss.quantity > washed.quantity:
            amount = loss.amount - washed.disallowed
            yield replace(loss, quantity=loss.quantity - washed.quantity, amount=amount)
