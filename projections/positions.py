"""What each customer owns: shares by symbol, in lots with their cost."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position
from domain.values import NO_SHARES, NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup


class LotRow(Struct):
    """Shares bought at once; `cost` is for all that are left of them, in dollars."""

    lot_id: UUID
    quantity: Decimal
    cost: Decimal
    acquired_at: datetime


class PositionRow(Struct):
    """Shares of one symbol. `cost` is of the shares still held, `realised` the profit of those sold."""

    account_id: UUID
    symbol: str
    quantity: Decimal
    reserved: Decimal
    cost: Decimal
    realised: Decimal
    lots: list[LotRow]
    updated_at: datetime
    log_position: int


class Positions(Projection):
    """One row an account and symbol, kept when flat for its realised profit."""

    name = "positions"
    version = 1
    row = PositionRow
    key_columns = ("account_id", "symbol")
    ignores = (*Account.FACTS, *Order.FACTS, *Erasure.FACTS)

    def key(self, event: Any, fact: Fact) -> Key:
        """By account and symbol."""
        return (event.account_id, event.symbol)

    @on(Position.SharesReserved)
    def reserved(self, event: Position.SharesReserved, rows: Rows[PositionRow]) -> None:
        """Shares are promised to a sale."""
        self._row(event, rows).reserved += event.quantity

    @on(Position.SharesReleased)
    def released(self, event: Position.SharesReleased, rows: Rows[PositionRow]) -> None:
        """Shares are free again."""
        self._row(event, rows).reserved -= event.quantity

    @on(Position.LotOpened)
    def lot_opened(self, event: Position.LotOpened, rows: Rows[PositionRow]) -> None:
        """Shares were bought."""
        row, lot = self._row(event, rows), event.lot
        row.quantity += lot.quantity
        row.cost += lot.cost
        row.lots.append(LotRow(lot.lot_id, lot.quantity, lot.cost, lot.acquired_at))

    @on(Position.LotsRelieved)
    def lots_relieved(self, event: Position.LotsRelieved, rows: Rows[PositionRow]) -> None:
        """Shares were sold."""
        row = self._row(event, rows)
        row.quantity -= event.quantity
        row.reserved -= event.quantity
        row.cost -= event.cost
        row.realised += event.profit
        row.lots = _without(row.lots, event)

    def _row(self, event: Event, rows: Rows[PositionRow]) -> PositionRow:
        key = self.key(event, rows.fact)
        row = rows.get(key) or rows.add(key, _flat(*key, at=event.recorded_at))
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _flat(account_id: UUID, symbol: str, *, at: datetime) -> PositionRow:
    return PositionRow(account_id, symbol, NO_SHARES, NO_SHARES, NOTHING, NOTHING, [], at, 0)


def _without(lots: list[LotRow], event: Position.LotsRelieved) -> list[LotRow]:
    taken = {relief.lot_id: relief for relief in event.relieved}
    left = []
    for lot in lots:
        relief = taken.get(lot.lot_id)
        if relief is None:
            left.append(lot)
        elif relief.quantity < lot.quantity:
            left.append(
                LotRow(lot.lot_id, lot.quantity - relief.quantity, lot.cost - relief.cost, lot.acquired_at)
            )
    return left


POSITIONS_OF_ACCOUNT = Lookup("positions", PositionRow, by=("account_id",), order="symbol")
