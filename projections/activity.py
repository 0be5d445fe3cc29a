"""What happened in an account, as its customer sees it: money and shares moving, orders coming and going."""

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
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.words import describe


class ActivityRow(Struct):
    """One thing that happened. `amount` is signed: what came into the cash, or went out of it."""

    account_id: UUID
    log_position: int
    type: str
    at: datetime
    symbol: str | None
    quantity: Decimal | None
    price: Decimal | None
    amount: Decimal | None
    order_id: UUID | None
    execution_id: UUID | None
    transfer_id: UUID | None
    text: str


class Activity(Projection):
    """One row an event that a customer would want to see."""

    name = "activity"
    version = 1
    row = ActivityRow
    key_columns = ("account_id", "log_position")
    only_adds = True
    ignores = (
        Account.FundsHeld,
        Account.FundsReleased,
        Order.Accepted,
        Order.Executed,
        *Position.FACTS,
        *Erasure.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By account and place in the log."""
        return (event.account_id, fact.log_position)

    @on(Account.Opened, Account.Suspended, Account.Reinstated, Account.Closed)
    def about_the_account(self, event: Event, rows: Rows[ActivityRow]) -> None:
        """Its status changed."""
        _add(rows, event, f"account_{type(event).__name__.lower()}")

    @on(Account.Deposited)
    def deposited(self, event: Account.Deposited, rows: Rows[ActivityRow]) -> None:
        """Money came in."""
        _add(rows, event, "deposit", amount=event.amount, transfer_id=event.transfer_id)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[ActivityRow]) -> None:
        """Money went out."""
        _add(rows, event, "withdrawal", amount=-event.amount, transfer_id=event.transfer_id)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[ActivityRow]) -> None:
        """Shares were bought."""
        _add(rows, event, "purchase", amount=-event.amount, **_trade(event))

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[ActivityRow]) -> None:
        """Shares were sold."""
        _add(rows, event, "sale", amount=event.amount, **_trade(event))

    @on(Order.Placed, Order.Rejected, Order.Replaced)
    def with_terms(
        self, event: Order.Placed | Order.Rejected | Order.Replaced, rows: Rows[ActivityRow]
    ) -> None:
        """An order was placed, rejected or replaced."""
        terms = event.terms
        kind = f"order_{type(event).__name__.lower()}"
        _add(rows, event, kind, order_id=event.originator_id, symbol=terms.symbol, quantity=terms.quantity)

    @on(Order.Triggered, Order.Cancelled, Order.Expired)
    def order_changed(self, event: Event, rows: Rows[ActivityRow]) -> None:
        """An order's stop was elected, or it ended unfilled."""
        _add(rows, event, f"order_{type(event).__name__.lower()}", order_id=event.originator_id)


def _trade(event: Account.PurchaseDebited | Account.SaleCredited) -> dict[str, Any]:
    return {
        "symbol": event.symbol,
        "quantity": event.quantity,
        "price": event.price,
        "order_id": event.order_id,
        "execution_id": event.execution_id,
    }


def _add(rows: Rows[ActivityRow], event: Event, kind: str, **facts: Any) -> None:
    nothing = dict.fromkeys(
        ("symbol", "quantity", "price", "amount", "order_id", "execution_id", "transfer_id")
    )
    position = rows.fact.log_position
    row = ActivityRow(
        account_id=event.account_id,
        log_position=position,
        type=kind,
        at=event.recorded_at,
        text=describe(event),
        **{**nothing, **facts},
    )
    rows.add((event.account_id, position), row)


ACTIVITY_OF_ACCOUNT = Question(
    "activity",
    ActivityRow,
    "account_id = %(account_id)s AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))"
    " AND log_position < %(before)s ORDER BY log_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the log_position of the last row of the page before, or 2^62."""

MOVEMENTS_BETWEEN = Question(
    "activity",
    ActivityRow,
    "account_id = %(account_id)s AND type = ANY(%(types)s::text[])"
    " AND log_position BETWEEN %(first)s AND %(last)s"
    " AND log_position < %(before)s ORDER BY log_position DESC LIMIT %(limit)s",
)
"""The same between two log positions, both inclusive."""

CASH_MOVEMENTS = ["deposit", "withdrawal", "purchase", "sale"]
