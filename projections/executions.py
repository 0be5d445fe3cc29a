"""Every execution: what traded, at which price, where, on which quote, with which profit."""

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
from domain.tax import Term
from domain.trade import Charge
from domain.transfer import Transfer
from domain.values import NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup
from projections.sold import SoldLot, gain_of, sold_lots


class ExecutionRow(Struct):
    """One execution. `amount` in dollars is what changed hands; `profit` is what a sale realised.

    `short_term` and `long_term` are its gains as taxed: together the profit, with `wash_disallowed` added. `lots`
    are those it was sold out of, and `lot_method` how they were chosen. Since `reversed_at` it no longer counts; a
    correction is booked in the place of one that was reversed, and took nothing of any `quote` (0).
    """

    execution_id: UUID
    order_id: UUID
    account_id: UUID
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    charges: list[Charge]
    net_amount: Decimal
    settles_on: date | None
    profit: Decimal | None
    short_term: Decimal | None
    long_term: Decimal | None
    wash_disallowed: Decimal | None
    lot_method: str | None
    lots: list[SoldLot]
    leaves_quantity: Decimal
    venue: str
    quote: int
    executed_at: datetime
    reversed_at: datetime | None
    is_correction: bool
    log_position: int


class Executions(Projection):
    """One row an execution, put together from what it did to the order, the cash and the lots."""

    name = "executions"
    version = 3  # 2: the index by symbol and quote; 3: charges, settlement, lots
    row = ExecutionRow
    key_columns = ("execution_id",)
    indexes = (
        "(order_id, log_position)",
        "(account_id, log_position DESC)",
        "(symbol, side, quote DESC)",
    )
    ignores = (
        Account.Settled,
        Account.GoodFaithViolated,
        Account.WithdrawalHeld,
        Account.WithdrawalReleased,
        Account.LotMethodChosen,
        Account.WithdrawalPutBack,
        Account.DepositTakenBack,
        Account.Opened,
        Account.Deposited,
        Account.Withdrawn,
        Account.FundsHeld,
        Account.FundsReleased,
        Account.Suspended,
        Account.Reinstated,
        Account.Closed,
        Account.DividendEntitled,
        Account.DividendPaid,
        Account.InterestPaid,
        Account.SharesSplit,
        Account.CashInLieuPaid,
        Account.Reversed,
        Position.Reversed,
        Order.Placed,
        Order.Rejected,
        Order.Accepted,
        Order.Triggered,
        Order.Replaced,
        Order.Adjusted,
        Order.Cancelled,
        Order.Expired,
        Position.SharesReserved,
        Position.SharesReleased,
        Position.LotOpened,
        *Transfer.FACTS,
        Position.Split,
        Position.FractionCashed,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Any, fact: Fact) -> Key:
        """By execution."""
        return (event.execution_id,)

    @on(Order.Executed)
    def executed(self, event: Order.Executed, rows: Rows[ExecutionRow]) -> None:
        """The order traded; symbol and side follow with the cash."""
        row = ExecutionRow(
            execution_id=event.execution_id,
            order_id=event.originator_id,
            account_id=event.account_id,
            symbol="",
            side="",
            quantity=event.quantity,
            price=event.price,
            amount=event.amount,
            charges=list(event.charges),
            net_amount=event.amount,
            settles_on=None,
            profit=None,
            short_term=None,
            long_term=None,
            wash_disallowed=None,
            lot_method=None,
            lots=[],
            leaves_quantity=event.leaves_quantity,
            venue=event.venue,
            quote=event.quote,
            executed_at=event.recorded_at,
            reversed_at=None,
            is_correction=event.corrects is not None,
            log_position=rows.fact.log_position,
        )
        rows.add((event.execution_id,), row)

    @on(Order.Reversed)
    def reversed(self, event: Order.Reversed, rows: Rows[ExecutionRow]) -> None:
        """It was taken back; what it was stays to be read."""
        rows[(event.execution_id,)].reversed_at = event.recorded_at

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[ExecutionRow]) -> None:
        """It was a buy."""
        row = rows[(event.execution_id,)]
        row.symbol, row.side = event.symbol, "buy"
        row.net_amount, row.settles_on = event.amount, event.settles_on

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[ExecutionRow]) -> None:
        """It was a sale."""
        row = rows[(event.execution_id,)]
        row.symbol, row.side = event.symbol, "sell"
        row.net_amount, row.settles_on = event.amount, event.settles_on

    @on(Position.LotsRelieved)
    def relieved(self, event: Position.LotsRelieved, rows: Rows[ExecutionRow]) -> None:
        """The sale realised a profit, out of these lots."""
        row = rows[(event.execution_id,)]
        row.profit, row.lot_method = event.profit, event.method
        row.lots = list(sold_lots(event.relieved, event.proceeds, sold_on=event.sold_on))
        _sum_up(row)

    @on(Position.WashSaleDisallowed)
    def disallowed(self, event: Position.WashSaleDisallowed, rows: Rows[ExecutionRow]) -> None:
        """A part of its loss is not allowed."""
        row = rows[(event.execution_id,)]
        for lot in row.lots:
            if lot.lot_id == event.sold_lot_id:
                lot.wash_disallowed += event.disallowed
                lot.gain += event.disallowed
        _sum_up(row)


def _sum_up(row: ExecutionRow) -> None:
    row.short_term, row.long_term = gain_of(row.lots, Term.SHORT), gain_of(row.lots, Term.LONG)
    row.wash_disallowed = sum((lot.wash_disallowed for lot in row.lots), NOTHING)


EXECUTIONS_OF_ORDER = Lookup("executions", ExecutionRow, by=("order_id", "account_id"), order="log_position")
