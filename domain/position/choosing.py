"""Which lots a sale takes its shares out of: by rule, or as the seller has chosen.

FIFO unless the seller identifies other shares at the time of the sale (26 CFR 1.1012-1(c)); LIFO and HIFO are standing
orders to do so, which the law allows as well.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import LotsMustCoverOrder
from domain.position.lots import Lot, Relief, part_of
from domain.terms import LotChoice, LotMethod
from domain.values import NO_SHARES, Quantity

THEN_FIFO = "specific_then_fifo"
"""What a sale is called whose chosen lots were gone in part: the rest came out of the oldest ones."""

_ORDER: dict[LotMethod, Callable[[Sequence[Lot]], Iterable[Lot]]] = {
    LotMethod.FIFO: lambda lots: lots,
    LotMethod.LIFO: reversed,
    # Sorting keeps the order of equals: of lots that cost the same a share, the oldest goes first.
    LotMethod.HIFO: lambda lots: sorted(lots, key=lambda lot: -lot.cost / lot.quantity),
    LotMethod.SPECIFIC: lambda lots: lots,
}


class Chosen(Struct, frozen=True):
    """What a sale takes, the orders that had bought it, by lot, and the method it went by in the end."""

    reliefs: tuple[Relief, ...]
    orders: dict[UUID, UUID | None]
    method: str


def choose(
    lots: Sequence[Lot], quantity: Quantity, method: LotMethod, choices: Iterable[LotChoice] = ()
) -> Chosen:
    """Shares out of lots that have at least so many. Chosen lots that are gone are made up for by the oldest."""
    taken = _as_chosen(lots, quantity, choices) if choices else {}
    chosen = sum((shares for _, shares in taken.values()), NO_SHARES)
    left = quantity - chosen
    for lot in _ORDER[method](lots):
        if not left:
            break
        before = taken[lot.lot_id][1] if lot.lot_id in taken else NO_SHARES
        more = min(left, lot.quantity - before)
        if more:
            taken[lot.lot_id] = (lot, before + more)
            left -= more
    return Chosen(
        reliefs=tuple(part_of(lot, shares) for lot, shares in taken.values()),
        orders={lot.lot_id: lot.order_id for lot, _ in taken.values()},
        method=_name(method, chosen, quantity),
    )


def require_lots(
    lots: Sequence[Lot], wanted: Iterable[LotChoice], claims: dict[UUID, list[LotChoice]]
) -> None:
    """Refuse an order whose lots are not there, or not free of other orders' claims. Raises LotsMustCoverOrder."""
    there = {lot.lot_id: lot.quantity for lot in lots}
    for choices in claims.values():
        for claim in choices:
            there[claim.lot_id] = there.get(claim.lot_id, NO_SHARES) - claim.quantity
    for choice in wanted:
        free = max(there.get(choice.lot_id, NO_SHARES), NO_SHARES)
        if free < choice.quantity:
            raise LotsMustCoverOrder(
                f"{free} shares of lot {choice.lot_id} are free, {choice.quantity} would be sold"
            )


class Claiming:
    """The part of a position that knows which lots open orders have chosen."""

    __slots__ = ()

    claims: dict[UUID, list[LotChoice]]

    def _use_claims(self, order_id: UUID, reliefs: Iterable[Relief]) -> None:
        """Note what an order has taken out of the lots it chose."""
        if order_id in self.claims:
            used = {relief.lot_id: relief.quantity for relief in reliefs}
            left = (_less(claim, used.get(claim.lot_id, NO_SHARES)) for claim in self.claims[order_id])
            self.claims[order_id] = [claim for claim in left if claim.quantity > NO_SHARES]

    def _move_claims(self, lot: Lot, part: Lot) -> None:
        """A part of a lot has become one of its own: claims that the lot can no longer serve go with it."""
        left = lot.quantity
        for order_id, claims in self.claims.items():
            moved: list[LotChoice] = []
            for claim in claims:
                if claim.lot_id != lot.lot_id:
                    moved.append(claim)
                    continue
                stays = min(claim.quantity, left)
                left -= stays
                both = (
                    replace(claim, quantity=stays),
                    LotChoice(lot_id=part.lot_id, quantity=claim.quantity - stays),
                )
                moved += [each for each in both if each.quantity > NO_SHARES]
            self.claims[order_id] = moved

    def _split_claims(self, split: Callable[[Quantity], Quantity], lot_ids: Any) -> None:
        """The lots were split: so are the claims on them."""
        for order_id, claims in self.claims.items():
            self.claims[order_id] = [
                replace(claim, quantity=split(claim.quantity)) if claim.lot_id in lot_ids else claim
                for claim in claims
            ]


def _as_chosen(
    lots: Sequence[Lot], quantity: Quantity, choices: Iterable[LotChoice]
) -> dict[UUID, tuple[Lot, Quantity]]:
    there = {lot.lot_id: lot for lot in lots}
    taken: dict[UUID, tuple[Lot, Quantity]] = {}
    for choice in choices:
        lot = there.get(choice.lot_id)
        shares = NO_SHARES if lot is None else min(choice.quantity, lot.quantity, quantity)
        if lot is not None and shares:
            taken[choice.lot_id] = (lot, shares)
            quantity -= shares
    return taken


def _name(method: LotMethod, chosen: Quantity, quantity: Quantity) -> str:
    if method is not LotMethod.SPECIFIC or chosen == quantity:
        return method.value
    return THEN_FIFO if chosen else LotMethod.FIFO.value


def _less(claim: LotChoice, used: Quantity) -> LotChoice:
    return replace(claim, quantity=claim.quantity - used)
