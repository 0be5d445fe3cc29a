"""Buying and selling shares of one symbol, and the shares that orders to sell reserve."""

from datetime import date, datetime
from functools import lru_cache
from uuid import UUID, uuid5

from msgspec.structs import replace

from domain.aggregate import Aggregate, Event
from domain.errors import FreeSharesMustCoverOrder
from domain.position.choosing import Claiming, choose, require_lots
from domain.position.lots import Lot, Relief, part_of, remainder_of
from domain.position.splitting import Splitting
from domain.position.washing import Loss, Washing, losses_of, still_open
from domain.terms import LotChoice, LotMethod
from domain.trade import Charge, Trade
from domain.values import NO_SHARES, NOTHING, Money, Quantity


class Position(Aggregate, Splitting, Washing, Claiming, kw_only=True):
    """Shares of one symbol in one account. Always: 0 <= reserved <= quantity = sum of lots.

    `realised` is what sales have brought beyond the cost of their shares, without the losses that wash sales have
    moved into the cost of others.
    """

    symbol: str = ""
    quantity: Quantity = NO_SHARES
    reserved: Quantity = NO_SHARES
    reserves: dict[UUID, Quantity] = {}  # by order
    lots: list[Lot] = []  # oldest first
    realised: Money = NOTHING
    splits: set[UUID] = set()  # corporate actions that have been applied
    claims: dict[UUID, list[LotChoice]] = {}  # by order that has chosen its lots
    losses: list[Loss] = []  # of the last 30 days that no purchase has replaced, earliest first

    # What has happened. Stored for ever, replayed often: never refuses.

    class SharesReserved(Event, frozen=True, kw_only=True):
        """So many more shares are promised to an order to sell, of these `lots` when it has chosen."""

        symbol: str
        order_id: UUID
        quantity: Quantity
        lots: tuple[LotChoice, ...] = ()

        def apply(self, position: "Position") -> None:
            position.symbol = self.symbol
            position._reserve(self.order_id, self.quantity)
            if self.lots:
                position.claims[self.order_id] = list(self.lots)

    class SharesReleased(Event, frozen=True, kw_only=True):
        """So many shares are no longer promised to an order."""

        symbol: str
        order_id: UUID
        quantity: Quantity

        def apply(self, position: "Position") -> None:
            position._reserve(self.order_id, -self.quantity)

    class LotOpened(Event, frozen=True, kw_only=True):
        """Shares were bought: a lot with its cost, charges included.

        The street is owed `street` for it, None when that is its cost.
        """

        symbol: str
        order_id: UUID
        execution_id: UUID
        lot: Lot
        street: Money | None = None
        charges: tuple[Charge, ...] = ()

        def apply(self, position: "Position") -> None:
            position.symbol = self.symbol
            position.lots.append(replace(self.lot, order_id=self.order_id))
            position.quantity += self.lot.quantity
            if position.losses:
                position.losses = still_open(position.losses, on=self.lot.bought_on)

    class LotsRelieved(Event, frozen=True, kw_only=True):
        """Shares were sold out of these lots; `profit` is proceeds, after charges, less their cost.

        The street owes `street` for them, None when that is the same as the proceeds. `trade_date` is the exchange's
        day, None when that is the day on which it was recorded.
        """

        symbol: str
        order_id: UUID
        execution_id: UUID
        quantity: Quantity
        proceeds: Money
        cost: Money
        profit: Money
        relieved: tuple[Relief, ...]
        method: str = "fifo"
        street: Money | None = None
        charges: tuple[Charge, ...] = ()
        trade_date: date | None = None

        @property
        def sold_on(self) -> date:
            """The trade date."""
            return self.trade_date or self.recorded_at.date()

        def apply(self, position: "Position") -> None:
            position._relieve(self.relieved)
            position.quantity -= self.quantity
            position._use_claims(self.order_id, self.relieved)
            position._reserve(self.order_id, -self.quantity)
            position.realised += self.profit
            lost = losses_of(self.execution_id, self.relieved, self.proceeds, sold_on=self.sold_on)
            position.losses = [*still_open(position.losses, on=self.sold_on), *lost]

    # What may be decided. Check every rule, then record one fact.

    def reserve(
        self,
        quantity: Quantity,
        *,
        symbol: str,
        order_id: UUID,
        lots: tuple[LotChoice, ...] = (),
        at: datetime,
    ) -> None:
        """Promise free shares to an order to sell, so that no other order can sell them; of `lots` if it chose."""
        if self.free < quantity:
            raise FreeSharesMustCoverOrder(f"{self.free} {symbol} are free, {quantity} would be sold")
        require_lots(self.lots, lots, self.claims)
        self.record(
            Position.SharesReserved, at=at, symbol=symbol, order_id=order_id, quantity=quantity, lots=lots
        )

    def release(self, quantity: Quantity, *, order_id: UUID, at: datetime) -> None:
        """Give back shares an order no longer needs; none to give back records nothing."""
        if quantity > NO_SHARES:
            self.record(
                Position.SharesReleased, at=at, symbol=self.symbol, order_id=order_id, quantity=quantity
            )

    def open_lot(self, purchase: Trade, *, paid_on: date | None = None, at: datetime) -> None:
        """Take in bought shares as a lot of their own, in the place of shares sold at a loss if there are any.

        `paid_on` as in Lot.
        """
        lot = Lot(
            lot_id=purchase.execution_id,
            quantity=purchase.quantity,
            cost=purchase.amount,
            acquired_at=at,
            paid_on=paid_on,
            trade_date=purchase.trade_date if purchase.trade_date != at.date() else None,
        )
        self.record(
            Position.LotOpened,
            at=at,
            symbol=purchase.symbol,
            order_id=purchase.order_id,
            execution_id=purchase.execution_id,
            lot=lot,
            street=purchase.street_if_other,
            charges=purchase.charges,
        )
        if self.losses:
            self._wash_by_purchase(lot.lot_id, at=at)

    def relieve(self, sale: Trade, *, method: LotMethod = LotMethod.FIFO, at: datetime) -> tuple[Relief, ...]:
        """Take sold shares out of the lots that the order has chosen, or that the method says.

        Returns what was taken, lot by lot. Losses are disallowed as far as shares bought lately replace the sold ones.
        """
        chosen = choose(self.lots, sale.quantity, method, self.claims.get(sale.order_id, ()))
        relieved = chosen.reliefs
        cost = sum((relief.cost for relief in relieved), NOTHING)
        self.record(
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
            method=chosen.method,
            street=sale.street_if_other,
            charges=sale.charges,
            trade_date=sale.trade_date if sale.trade_date != at.date() else None,
        )
        if self.losses:
            self._wash_by_sale(sale.execution_id, chosen.orders, at=at)
        return relieved

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
            reliefs.append(part_of(lot, taken))
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
                kept.append(remainder_of(lot, relief))
        self.lots = kept

    def _reserve(self, order_id: UUID, quantity: Quantity) -> None:
        self.reserved += quantity
        reserved = self.reserves.get(order_id, NO_SHARES) + quantity
        if reserved:
            self.reserves[order_id] = reserved
        else:
            self.reserves.pop(order_id, None)
            self.claims.pop(order_id, None)

    def _replace_shares(self, lot_id: UUID, part: Lot, cost: Money) -> None:
        """Put a part of a lot, which had cost so much, in its own place: it stands behind the rest, if any."""
        kept: list[Lot] = []
        for lot in self.lots:
            if lot.lot_id != lot_id:
                kept.append(lot)
            elif lot.lot_id == part.lot_id:
                kept.append(part)
            else:
                rest = replace(lot, quantity=lot.quantity - part.quantity, cost=lot.cost - cost)
                kept += (rest, part)
                self._move_claims(rest, part)
        self.lots = kept

    FACTS = (
        SharesReserved,
        SharesReleased,
        LotOpened,
        LotsRelieved,
        Splitting.Split,
        Splitting.FractionCashed,
        Washing.WashSaleDisallowed,
    )


@lru_cache(maxsize=65_536)
def position_id(account_id: UUID, symbol: str) -> UUID:
    """The id of an account's position in a symbol: derived, so that it need not be looked up."""
    return uuid5(account_id, f"position/{symbol}")
