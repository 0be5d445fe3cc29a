"""A position: the shares of one symbol that one account owns, in lots with their cost."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID, uuid5

from msgspec import Struct

from domain.aggregate import Aggregate, Event
from domain.errors import FreeSharesMustCoverOrder
from domain.trade import Trade
from domain.values import NO_SHARES, NOTHING, Money, Quantity, rounded


class Lot(Struct, frozen=True, kw_only=True, gc=False):
    """Shares bought at once. `cost` is for all of them, to the cent; the lot's id is its execution's."""

    lot_id: UUID
    quantity: Quantity
    cost: Money
    acquired_at: datetime


class Relief(Struct, frozen=True, kw_only=True, gc=False):
    """Shares taken out of a lot by a sale, with their part of the lot's cost."""

    lot_id: UUID
    quantity: Quantity
    cost: Money
    acquired_at: datetime


class Position(Aggregate, kw_only=True):
    """Shares of one symbol in one account. Always: 0 <= reserved <= quantity = sum of lots."""

    symbol: str = ""
    quantity: Quantity = NO_SHARES
    reserved: Quantity = NO_SHARES
    reserves: dict[UUID, Quantity] = {}  # by order
    lots: list[Lot] = []  # oldest first
    realised: Money = NOTHING

    # What has happened. Stored for ever, replayed often: never refuses.

    class SharesReserved(Event, frozen=True, kw_only=True):
        """So many more shares are promised to an order to sell."""

        symbol: str
        order_id: UUID
        quantity: Quantity

        def apply(self, position: "Position") -> None:
            position.symbol = self.symbol
            position._reserve(self.order_id, self.quantity)

    class SharesReleased(Event, frozen=True, kw_only=True):
        """So many shares are no longer promised to an order."""

        symbol: str
        order_id: UUID
        quantity: Quantity

        def apply(self, position: "Position") -> None:
            position._reserve(self.order_id, -self.quantity)

    class LotOpened(Event, frozen=True, kw_only=True):
        """Shares were bought: a lot with its cost."""

        symbol: str
        order_id: UUID
        execution_id: UUID
        lot: Lot

        def apply(self, position: "Position") -> None:
            position.symbol = self.symbol
            position.lots.append(self.lot)
            position.quantity += self.lot.quantity

    class LotsRelieved(Event, frozen=True, kw_only=True):
        """Shares were sold out of these lots; `profit` is proceeds less their cost."""

        symbol: str
        order_id: UUID
        execution_id: UUID
        quantity: Quantity
        proceeds: Money
        cost: Money
        profit: Money
        relieved: tuple[Relief, ...]
        method: str = "fifo"

        def apply(self, position: "Position") -> None:
            position._relieve(self.relieved)
            position.quantity -= self.quantity
            position._reserve(self.order_id, -self.quantity)
            position.realised += self.profit

    # What may be decided. Check every rule, then record one fact.

    def reserve(self, quantity: Quantity, *, symbol: str, order_id: UUID, at: datetime) -> None:
        """Promise free shares to an order to sell, so that no other order can sell them."""
        if self.free < quantity:
            raise FreeSharesMustCoverOrder(f"{self.free} {symbol} are free, {quantity} would be sold")
        self.record(Position.SharesReserved, at=at, symbol=symbol, order_id=order_id, quantity=quantity)

    def release(self, quantity: Quantity, *, order_id: UUID, at: datetime) -> None:
        """Give back shares an order no longer needs; none to give back records nothing."""
        if quantity > NO_SHARES:
            self.record(
                Position.SharesReleased, at=at, symbol=self.symbol, order_id=order_id, quantity=quantity
            )

    def open_lot(self, purchase: Trade, *, at: datetime) -> None:
        """Take in bought shares as a lot of their own."""
        lot = Lot(
            lot_id=purchase.execution_id,
            quantity=purchase.quantity,
            cost=purchase.amount,
            acquired_at=at,
        )
        self.record(
            Position.LotOpened,
            at=at,
            symbol=purchase.symbol,
            order_id=purchase.order_id,
            execution_id=purchase.execution_id,
            lot=lot,
        )

    def relieve(self, sale: Trade, *, at: datetime) -> Money:
        """Take sold shares out of the oldest lots first (FIFO, the default of 26 CFR 1.1012-1(c)).

        Returns the realised profit in dollars.
        """
        relieved = self._oldest_first(sale.quantity)
        cost = sum((relief.cost for relief in relieved), NOTHING)
        event = self.record(
            Position.LotsRelieved,
            at=at,
            symbol=sale.symbol,
            order_id=sale.order_id,
            execution_id=sale.execution_id,
            quantity=sale.quantity,
            proceeds=sale.amount,
            cost=cost,
            profit=sale.amount - cost,
            relieved=relieved,
        )
        return event.profit

    # What may be asked.

    @property
    def free(self) -> Quantity:
        """Shares that no order has reserved."""
        return self.quantity - self.reserved

    @property
    def is_flat(self) -> bool:
        """Whether no share is left."""
        return not self.quantity

    @property
    def cost(self) -> Money:
        """What the shares still held have cost."""
        return sum((lot.cost for lot in self.lots), NOTHING)

    def reserved_for(self, order_id: UUID) -> Quantity:
        """Shares reserved for this order."""
        return self.reserves.get(order_id, NO_SHARES)

    def _oldest_first(self, quantity: Quantity) -> tuple[Relief, ...]:
        reliefs = []
        for lot in self.lots:
            if not quantity:
                break
            taken = min(quantity, lot.quantity)
            reliefs.append(_relief(lot, taken))
            quantity -= taken
        return tuple(reliefs)

    def _relieve(self, reliefs: tuple[Relief, ...]) -> None:
        rest = {relief.lot_id: relief for relief in reliefs}
        kept = []
        for lot in self.lots:
            relief = rest.get(lot.lot_id)
            if relief is None:
                kept.append(lot)
            elif relief.quantity < lot.quantity:
                kept.append(_remainder(lot, relief))
        self.lots = kept

    def _reserve(self, order_id: UUID, quantity: Quantity) -> None:
        self.reserved += quantity
        reserved = self.reserves.get(order_id, NO_SHARES) + quantity
        if reserved:
            self.reserves[order_id] = reserved
        else:
            self.reserves.pop(order_id, None)

    FACTS = (SharesReserved, SharesReleased, LotOpened, LotsRelieved)


@lru_cache(maxsize=65_536)
def position_id(account_id: UUID, symbol: str) -> UUID:
    """The id of an account's position in a symbol: derived, so that it need not be looked up."""
    return uuid5(account_id, f"position/{symbol}")


def _relief(lot: Lot, taken: Quantity) -> Relief:
    """A part of a lot with its part of the cost; the last piece takes the remainder."""
    cost = lot.cost if taken == lot.quantity else rounded(lot.cost * taken / lot.quantity)
    return Relief(lot_id=lot.lot_id, quantity=taken, cost=cost, acquired_at=lot.acquired_at)


def _remainder(lot: Lot, relief: Relief) -> Lot:
    return Lot(
        lot_id=lot.lot_id,
        quantity=lot.quantity - relief.quantity,
        cost=lot.cost - relief.cost,
        acquired_at=lot.acquired_at,
    )
