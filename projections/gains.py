"""Realised gains as the tax office wants them told: a row for each lot of each sale, with the columns of Form 1099-B."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.sold import SoldLot, sold_lots


class GainRow(Struct):
    """Shares of one lot sold at once. `sale_id` is the execution, or the split whose fraction was paid in cash.

    `proceeds` are after charges, `gain` is with `wash_disallowed` added. `sold_position` is where the sale stands in
    the log, `number` the lot's among those of the sale. Since `reversed_at` the sale no longer counts.
    """

    account_id: UUID
    sale_id: UUID
    lot_id: UUID
    symbol: str
    order_id: UUID | None
    quantity: Decimal
    acquired_on: date
    held_since: date
    sold_on: date
    proceeds: Decimal
    cost: Decimal
    wash_disallowed: Decimal
    gain: Decimal
    term: str
    method: str
    sold_position: int
    number: int
    reversed_at: datetime | None
    log_position: int


class Gains(Projection):
    """One row a sale and lot."""

    name = "gains"
    version = 1
    row = GainRow
    key_columns = ("account_id", "sale_id", "lot_id")
    indexes = ("(account_id, sold_on)", "(account_id, sold_position DESC, number DESC)")
    ignores = (
        *Account.FACTS,
        *Order.FACTS,
        Position.SharesReserved,
        Position.SharesReleased,
        Position.LotOpened,
        Position.Split,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Any, fact: Fact) -> Key:
        """The row that is changed; a sale adds its rows without reading any."""
        if isinstance(event, Position.WashSaleDisallowed):
            return (event.account_id, event.execution_id, event.sold_lot_id)
        if isinstance(event, Position.Reversed):
            return (
                event.account_id,
                event.execution_id,
                event.account_id,
            )  # whatever there is, it is written anew
        sale_id = event.action_id if isinstance(event, Position.FractionCashed) else event.execution_id
        return (event.account_id, sale_id, event.relieved[0].lot_id)

    @on(Position.LotsRelieved)
    def relieved(self, event: Position.LotsRelieved, rows: Rows[GainRow]) -> None:
        """Shares were sold."""
        lots = sold_lots(event.relieved, event.proceeds, sold_on=event.sold_on)
        for number, lot in enumerate(lots, 1):
            row = _row(event, lot, rows.fact.log_position, number=number, sold_on=event.sold_on)
            row.order_id, row.method = event.order_id, event.method
            rows.add((row.account_id, row.sale_id, row.lot_id), row)

    @on(Position.FractionCashed)
    def fraction_cashed(self, event: Position.FractionCashed, rows: Rows[GainRow]) -> None:
        """The fraction that a split left was paid in cash."""
        sold_on = event.recorded_at.date()
        for number, lot in enumerate(sold_lots(event.relieved, event.cash, sold_on=sold_on), 1):
            row = _row(event, lot, rows.fact.log_position, number=number, sold_on=sold_on)
            rows.add((row.account_id, row.sale_id, row.lot_id), row)

    @on(Position.Reversed)
    def reversed(self, event: Position.Reversed, rows: Rows[GainRow]) -> None:
        """The sale is taken back: its rows stay to be read, and no longer count."""
        wrong = event.original
        if isinstance(wrong, Position.LotsRelieved):
            self.relieved(wrong, rows)
            for relief in wrong.relieved:
                row = rows[(wrong.account_id, wrong.execution_id, relief.lot_id)]
                row.reversed_at = event.recorded_at

    @on(Position.WashSaleDisallowed)
    def disallowed(self, event: Position.WashSaleDisallowed, rows: Rows[GainRow]) -> None:
        """A part of a loss is not allowed."""
        row = rows[self.key(event, rows.fact)]
        row.wash_disallowed += event.disallowed
        row.gain += event.disallowed
        row.log_position = rows.fact.log_position


def _row(
    event: Position.LotsRelieved | Position.FractionCashed,
    lot: SoldLot,
    position: int,
    *,
    number: int,
    sold_on: date,
) -> GainRow:
    return GainRow(
        account_id=event.account_id,
        sale_id=event.action_id if isinstance(event, Position.FractionCashed) else event.execution_id,
        lot_id=lot.lot_id,
        symbol=event.symbol,
        order_id=None,
        quantity=lot.quantity,
        acquired_on=lot.acquired_on,
        held_since=lot.held_since,
        sold_on=sold_on,
        proceeds=lot.proceeds,
        cost=lot.cost,
        wash_disallowed=lot.wash_disallowed,
        gain=lot.gain,
        term=lot.term,
        method="fifo",
        sold_position=position,
        number=number,
        reversed_at=None,
        log_position=position,
    )


GAINS_OF_YEAR = Question(
    "gains",
    GainRow,
    "account_id = %(account_id)s AND reversed_at IS NULL AND sold_on BETWEEN %(first)s AND %(last)s"
    " AND (%(term)s::text IS NULL OR term = %(term)s::text)"
    " AND (sold_position, number) < (%(before)s, %(number)s)"
    " ORDER BY sold_position DESC, number DESC LIMIT %(limit)s",
)
"""Newest first; `before` and `number` are those of the last row of the page before, or larger than any."""


class GainsOfTerm(Struct, frozen=True):
    """All sales of one term, in dollars."""

    term: str
    sales: int
    proceeds: Decimal
    cost: Decimal
    wash_disallowed: Decimal
    gain: Decimal


GAINS_BY_TERM = Question(
    "gains",
    GainsOfTerm,
    "account_id = %(account_id)s AND reversed_at IS NULL AND sold_on BETWEEN %(first)s AND %(last)s GROUP BY term ORDER BY term",
    select="term, count(*), sum(proceeds), sum(cost), sum(wash_disallowed), sum(gain)",
)
"""The year's sums; a term without sales is left out."""
