"""What happened in an account, as its customer sees it: money and shares moving, orders coming and going."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
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
    version = 2  # 2: settlements, income, splits
    row = ActivityRow
    key_columns = ("account_id", "log_position")
    only_adds = True
    ignores = (
        Account.FundsHeld,
        Account.WithdrawalHeld,
        Account.WithdrawalReleased,
        Account.FundsReleased,
        Order.Accepted,
        Order.Executed,
        Order.Reversed,
        *Position.FACTS,
        Transfer.Completed,
        Transfer.Returned,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By account and place in the log."""
        return (event.account_id, fact.log_position)

    @on(Account.Opened, Account.Suspended, Account.Reinstated, Account.Closed)
    def about_the_account(self, event: Event, rows: Rows[ActivityRow]) -> None:
        """Its status changed."""
        _add(rows, event, f"account_{type(event).__name__.lower()}")

    @on(Account.LotMethodChosen)
    def lot_method_chosen(self, event: Event, rows: Rows[ActivityRow]) -> None:
        """Its sales choose their lots otherwise."""
        _add(rows, event, "lot_method_chosen")

    @on(Account.Deposited)
    def deposited(self, event: Account.Deposited, rows: Rows[ActivityRow]) -> None:
        """Money came in, less what repaid a debt."""
        amount = event.amount - event.repaid
        _add(rows, event, "deposit", amount=amount, transfer_id=event.transfer_id)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[ActivityRow]) -> None:
        """Money went out."""
        _add(rows, event, "withdrawal", amount=-event.amount, transfer_id=event.transfer_id)

    @on(Account.DepositTakenBack)
    def taken_back(self, event: Account.DepositTakenBack, rows: Rows[ActivityRow]) -> None:
        """A bank took a deposit back."""
        amount = event.owed - event.amount
        _add(rows, event, "deposit_returned", amount=amount, transfer_id=event.transfer_id)

    @on(Account.WithdrawalPutBack)
    def put_back(self, event: Account.WithdrawalPutBack, rows: Rows[ActivityRow]) -> None:
        """A bank returned a withdrawal."""
        amount = event.amount - event.repaid
        _add(rows, event, "withdrawal_returned", amount=amount, transfer_id=event.transfer_id)

    @on(Transfer.Initiated, Transfer.Failed)
    def transfer_changed(self, event: Event, rows: Rows[ActivityRow]) -> None:
        """A bank was asked for a transfer, or did not do it."""
        kind = f"transfer_{type(event).__name__.lower()}"
        _add(rows, event, kind, transfer_id=event.originator_id)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[ActivityRow]) -> None:
        """Shares were bought."""
        _add(rows, event, "purchase", amount=-event.amount, **_trade(event))

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[ActivityRow]) -> None:
        """Shares were sold."""
        _add(rows, event, "sale", amount=event.amount, **_trade(event))

    @on(Account.DividendEntitled)
    def entitled(self, event: Account.DividendEntitled, rows: Rows[ActivityRow]) -> None:
        """A dividend will be paid."""
        what = event.entitlement
        _add(rows, event, "dividend_entitled", symbol=what.symbol, quantity=what.quantity, price=what.rate)

    @on(Account.DividendPaid)
    def dividend(self, event: Account.DividendPaid, rows: Rows[ActivityRow]) -> None:
        """A dividend came in."""
        of = {"symbol": event.symbol, "quantity": event.quantity, "price": event.rate}
        _add(rows, event, "dividend", amount=event.amount, **of)

    @on(Account.InterestPaid)
    def interest(self, event: Account.InterestPaid, rows: Rows[ActivityRow]) -> None:
        """Interest came in."""
        _add(rows, event, "interest", amount=event.amount)

    @on(Account.Reversed)
    def reversed(self, event: Account.Reversed, rows: Rows[ActivityRow]) -> None:
        """What was recorded wrongly is taken back: `amount` is what that did to the cash."""
        wrong, names = event.original, ("symbol", "quantity", "order_id", "execution_id", "transfer_id")
        of = {name: getattr(wrong, name, None) for name in names}
        of["price"] = getattr(wrong, "price", getattr(wrong, "rate", None))
        _add(rows, event, "reversal", amount=-wrong.brought, **of)

    @on(Account.SharesSplit)
    def shares_split(self, event: Account.SharesSplit, rows: Rows[ActivityRow]) -> None:
        """Shares became more, or fewer; `quantity` is by how many."""
        _add(rows, event, "split", symbol=event.symbol, quantity=event.after - event.before)

    @on(Account.CashInLieuPaid)
    def fraction_paid(self, event: Account.CashInLieuPaid, rows: Rows[ActivityRow]) -> None:
        """Cash came in for the fraction of a share."""
        of = {"symbol": event.symbol, "quantity": event.quantity, "price": event.price}
        _add(rows, event, "cash_in_lieu", amount=event.amount, **of)

    @on(Account.Settled)
    def settled(self, event: Account.Settled, rows: Rows[ActivityRow]) -> None:
        """Trades settled: no cash is gained or lost by it."""
        _add(rows, event, "settlement")

    @on(Account.GoodFaithViolated)
    def violated(self, event: Account.GoodFaithViolated, rows: Rows[ActivityRow]) -> None:
        """Shares were sold before what paid for them had settled."""
        facts = {"symbol": event.symbol, "quantity": event.quantity}
        _add(rows, event, "good_faith_violation", order_id=event.order_id, **facts)

    @on(Order.Placed, Order.Rejected, Order.Replaced, Order.Adjusted)
    def with_terms(
        self,
        event: Order.Placed | Order.Rejected | Order.Replaced | Order.Adjusted,
        rows: Rows[ActivityRow],
    ) -> None:
        """An order was placed, rejected, replaced or adjusted."""
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
    position, fact = rows.fact.log_position, facts.get
    row = ActivityRow(
        event.account_id,
        position,
        kind,
        event.recorded_at,
        fact("symbol"),
        fact("quantity"),
        fact("price"),
        fact("amount"),
        fact("order_id"),
        fact("execution_id"),
        fact("transfer_id"),
        describe(event),
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

CASH_MOVEMENTS = [
    "deposit",
    "withdrawal",
    "deposit_returned",
    "withdrawal_returned",
    "purchase",
    "sale",
    "dividend",
    "interest",
    "cash_in_lieu",
    "reversal",
]
