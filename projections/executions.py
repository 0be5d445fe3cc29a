"""Every execution: what traded, at which price, where, on which quote, with which profit."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup


class ExecutionRow(Struct):
    """One execution. `amount` in dollars is what changed hands; `profit` is what a sale realised."""

    execution_id: UUID
    order_id: UUID
    account_id: UUID
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    profit: Decimal | None
    leaves_quantity: Decimal
    venue: str
    quote: int
    executed_at: datetime
    log_position: int


class Executions(Projection):
    """One row an execution, put together from what it did to the order, the cash and the lots."""

    name = "executions"
    version = 2  # 2: the index by symbol and quote
    row = ExecutionRow
    key_columns = ("execution_id",)
    indexes = (
        "(order_id, log_position)",
        "(account_id, log_position DESC)",
        "(symbol, side, quote DESC)",
    )
    ignores = (
        Account.Opened,
        Account.Deposited,
        Account.Withdrawn,
        Account.FundsHeld,
        Account.FundsReleased,
        Account.Suspended,
        Account.Reinstated,
        Account.Closed,
        Order.Placed,
        Order.Rejected,
        Order.Accepted,
        Order.Triggered,
        Order.Replaced,
        Order.Cancelled,
        Order.Expired,
        Position.SharesReserved,
        Position.SharesReleased,
        Position.LotOpened,
        *Erasure.FACTS,
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
            profit=None,
            leaves_quantity=event.leaves_quantity,
            venue=event.venue,
            quote=event.quote,
            executed_at=event.recorded_at,
            log_position=rows.fact.log_position,
        )
        rows.add((event.execution_id,), row)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[ExecutionRow]) -> None:
        """It was a buy."""
        row = rows[(event.execution_id,)]
        row.symbol, row.side = event.symbol, "buy"

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[ExecutionRow]) -> None:
        """It was a sale."""
        row = rows[(event.execution_id,)]
        row.symbol, row.side = event.symbol, "sell"

    @on(Position.LotsRelieved)
    def relieved(self, event: Position.LotsRelieved, rows: Rows[ExecutionRow]) -> None:
        """The sale realised a profit."""
        rows[(event.execution_id,)].profit = event.profit


EXECUTIONS_OF_ORDER = Lookup("executions", ExecutionRow, by=("order_id", "account_id"), order="log_position")
