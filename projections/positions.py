"""What each customer owns: shares by symbol, in lots with their cost."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.account import Account
from domain.aggregate import Event
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Lot, Position, Relief, ReturnedLot
from domain.position.lots import place_of
from domain.tax import Term, long_term_from
from domain.transfer import Transfer
from domain.values import NO_SHARES, NOTHING, rounded
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question
from projections.sold import SoldLot, sold_lots
from projections.taken_back import cost_of


class LotRow(Struct):
    """Shares bought at once; `cost` is for all that are left of them, in dollars.

    They count as owned since `held_since`; sold on `long_term_from` or later, the gain is long term. A lot that
    `replaces` the shares of a wash sale (its execution) has the `disallowed` loss in its cost.
    """

    lot_id: UUID
    quantity: Decimal
    cost: Decimal
    acquired_at: datetime
    held_since: date
    long_term_from: date
    replaces: UUID | None
    disallowed: Decimal


class PositionRow(Struct):
    """Shares of one symbol. `cost` is of the shares still held, `realised` the profit of those sold.

    `realised` is short and long term together; `wash_disallowed` are the losses not among them, but in the cost of
    the lots that replaced the shares sold.
    """

    account_id: UUID
    symbol: str
    quantity: Decimal
    reserved: Decimal
    cost: Decimal
    realised: Decimal
    realised_short: Decimal
    realised_long: Decimal
    wash_disallowed: Decimal
    lots: list[LotRow]
    updated_at: datetime
    log_position: int


class Positions(Projection):
    """One row an account and symbol, kept when flat for its realised profit."""

    name = "positions"
    version = 2  # 2: splits, terms of gains, wash sales, and the index by symbol
    row = PositionRow
    key_columns = ("account_id", "symbol")
    indexes = ("(symbol, account_id)",)
    ignores = (
        *Account.FACTS,
        *Order.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
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
        place = len(row.lots) if event.corrects is None else place_of(lot.acquired_at, row.lots)
        row.lots.insert(place, _lot_row(lot))

    @on(Position.LotsRelieved)
    def lots_relieved(self, event: Position.LotsRelieved, rows: Rows[PositionRow]) -> None:
        """Shares were sold."""
        row = self._row(event, rows)
        row.quantity -= event.quantity
        row.reserved -= event.quantity
        row.cost -= event.cost
        _realise(row, sold_lots(event.relieved, event.proceeds, sold_on=event.sold_on))
        row.lots = _without(row.lots, event.relieved)

    @on(Position.Reversed)
    def reversed(self, event: Position.Reversed, rows: Rows[PositionRow]) -> None:
        """An execution is taken back: its lot leaves, or the sold shares are in theirs again."""
        row, wrong = self._row(event, rows), event.original
        row.cost -= cost_of(wrong)
        if isinstance(wrong, Position.LotOpened):
            row.quantity -= wrong.lot.quantity
            row.lots = [lot for lot in row.lots if lot.lot_id != wrong.lot.lot_id]
            return
        row.quantity += wrong.quantity
        row.reserved += wrong.quantity
        for lot in sold_lots(wrong.relieved, wrong.proceeds, sold_on=wrong.sold_on):
            _gain(row, lot.term, -lot.gain)
        row.lots = _with(row.lots, event.returned)

    @on(Position.WashSaleDisallowed)
    def disallowed(self, event: Position.WashSaleDisallowed, rows: Rows[PositionRow]) -> None:
        """A loss is not allowed: it is a cost of the shares that replaced the sold ones."""
        row = self._row(event, rows)
        row.cost += event.disallowed
        row.wash_disallowed += event.disallowed
        _gain(row, event.term.value, event.disallowed)
        row.lots = [part for lot in row.lots for part in _replaced(lot, event)]

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
        _realise(row, sold_lots(event.relieved, event.cash, sold_on=event.recorded_at.date()))
        row.lots = _without(row.lots, event.relieved)

    def _row(self, event: Event, rows: Rows[PositionRow]) -> PositionRow:
        key = self.key(event, rows.fact)
        row = rows.get(key) or rows.add(key, _flat(*key, at=event.recorded_at))
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _flat(account_id: UUID, symbol: str, *, at: datetime) -> PositionRow:
    return PositionRow(
        account_id=account_id,
        symbol=symbol,
        quantity=NO_SHARES,
        reserved=NO_SHARES,
        cost=NOTHING,
        realised=NOTHING,
        realised_short=NOTHING,
        realised_long=NOTHING,
        wash_disallowed=NOTHING,
        lots=[],
        updated_at=at,
        log_position=0,
    )


def _lot_row(lot: Lot, *, disallowed: Decimal = NOTHING) -> LotRow:
    since = lot.owned_since
    return LotRow(
        lot_id=lot.lot_id,
        quantity=lot.quantity,
        cost=lot.cost,
        acquired_at=lot.acquired_at,
        held_since=since,
        long_term_from=long_term_from(since),
        replaces=lot.replaces,
        disallowed=disallowed,
    )


def _realise(row: PositionRow, lots: Iterable[SoldLot]) -> None:
    for lot in lots:
        _gain(row, lot.term, lot.gain)


def _gain(row: PositionRow, term: str, amount: Decimal) -> None:
    row.realised += amount
    if term == Term.LONG.value:
        row.realised_long += amount
    else:
        row.realised_short += amount


def _replaced(lot: LotRow, event: Position.WashSaleDisallowed) -> Iterator[LotRow]:
    """What a lot is once the shares of it that replace others are told apart."""
    if lot.lot_id != event.replacement_id:
        yield lot
        return
    if event.lot.lot_id != lot.lot_id:
        yield replace(lot, quantity=lot.quantity - event.quantity, cost=lot.cost - event.cost)
    yield _lot_row(event.lot, disallowed=event.disallowed)


def _without(lots: list[LotRow], relieved: tuple[Relief, ...]) -> list[LotRow]:
    taken = {relief.lot_id: relief for relief in relieved}
    left = []
    for lot in lots:
        relief = taken.get(lot.lot_id)
        if relief is None:
            left.append(lot)
        elif relief.quantity < lot.quantity:
            left.append(_less(lot, relief))
    return left


def _with(lots: list[LotRow], returned: tuple[ReturnedLot, ...]) -> list[LotRow]:
    kept = list(lots)
    for one in returned:
        number = next((n for n, lot in enumerate(kept) if lot.lot_id == one.lot.lot_id), None)
        if number is None:
            kept.insert(one.place, _lot_row(one.lot))
        else:
            lot, more = kept[number], one.lot
            kept[number] = replace(lot, quantity=lot.quantity + more.quantity, cost=lot.cost + more.cost)
    return kept


def _less(lot: LotRow, relief: Relief) -> LotRow:
    quantity = lot.quantity - relief.quantity
    disallowed = rounded(lot.disallowed * quantity / lot.quantity)
    return replace(lot, quantity=quantity, cost=lot.cost - relief.cost, disallowed=disallowed)


HOLDERS_EVER = Question(
    "positions",
    PositionRow,
    "symbol = %(symbol)s AND account_id > %(after)s ORDER BY account_id LIMIT %(limit)s",
)
"""Every account that has, or had, or has reserved shares of a symbol; `after` is the last one of the page before."""

POSITIONS_OF_ACCOUNT = Lookup("positions", PositionRow, by=("account_id",), order="symbol")


class PositionInOne(Struct, array_like=True, frozen=True, gc=False):
    """A position as it is passed on: its lots as the JSON that the table holds."""

    symbol: str
    quantity: Decimal
    reserved: Decimal
    cost: Decimal
    realised: Decimal
    realised_short: Decimal
    realised_long: Decimal
    wash_disallowed: Decimal
    lots: msgspec.Raw
    updated_at: datetime
    log_position: int


POSITIONS_IN_ONE = Lookup("positions", PositionInOne, by=("account_id",), order="symbol", in_one=True)
