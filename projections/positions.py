"""What each customer owns: shares by symbol, in lots with their cost."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.account import Account
from domain.aggregate import Event
from domain.corporate_action import CorporateAction
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position, Relief
from domain.transfer import Transfer
from domain.values import NO_SHARES, NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question


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
    version = 2  # 2: splits, and the index by symbol
    row = PositionRow
    key_columns = ("account_id", "symbol")
    indexes = ("(symbol, account_id)",)
    ignores = (
        *Account.FACTS,
        *Order.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
    )

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
        row.lots = _without(row.lots, event.relieved)

    @on(Position.Split)
    def split(self, event: Position.Split, rows: Rows[PositionRow]) -> None:
        """Shares became more, or fewer, at the same cost."""
        row, after = self._row(event, rows), {lot.lot_id: lot.after for lot in event.lots}
        row.quantity = event.after
        row.reserved += event.held_more
        row.lots = [replace(lot, quantity=after.get(lot.lot_id, lot.quantity)) for lot in row.lots]

    @on(Position.FractionCashed)
    def fraction_cashed(self, event: Position.FractionCashed, rows: Rows[PositionRow]) -> None:
        """The fraction that a split left was paid in cash."""
        row = self._row(event, rows)
        row.quantity -= event.quantity
        row.cost -= event.cost
        row.realised += event.profit
        row.lots = _without(row.lots, event.relieved)

    def _row(self, event: Event, rows: Rows[PositionRow]) -> PositionRow:
        key = self.key(event, rows.fact)
        row = rows.get(key) or rows.add(key, _flat(*key, at=event.recorded_at))
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _flat(account_id: UUID, symbol: str, *, at: datetime) -> PositionRow:
    return PositionRow(account_id, symbol, NO_SHARES, NO_SHARES, NOTHING, NOTHING, [], at, 0)


def _without(lots: list[LotRow], relieved: tuple[Relief, ...]) -> list[LotRow]:
    taken = {relief.lot_id: relief for relief in relieved}
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


HOLDERS_EVER = Question(
    "positions",
    PositionRow,
    "symbol = %(symbol)s AND account_id > %(after)s ORDER BY account_id LIMIT %(limit)s",
)
"""Every account that has, or had, or has reserved shares of a symbol; `after` is the last one of the page before."""

POSITIONS_OF_ACCOUNT = Lookup("positions", PositionRow, by=("account_id",), order="symbol")
