"""The orders that are open, by symbol, with all that the executor needs to go on working them.

An order that has ended leaves the table, so its size is that of the book and not that of the log.
"""

from datetime import datetime
from decimal import Decimal
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
from domain.values import NO_SHARES, NOTHING
from projections import filled
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question


class OpenOrder(Struct):
    """An open order, as its aggregate has it. `placed_position` is its rank, `amount` what changed hands so far."""

    order_id: UUID
    account_id: UUID
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    client_order_id: str | None
    price_cap: Decimal | None
    status: str
    venue: str | None
    revision: int
    filled_quantity: Decimal
    busted_quantity: Decimal
    notional: Decimal
    amount: Decimal
    placed_at: datetime
    accepted_at: datetime | None
    triggered_at: datetime | None
    placed_position: int
    log_position: int


class OpenOrders(Projection):
    """One row an order that may still trade."""

    name = "open_orders"
    version = 2  # 2: adjusted by splits
    row = OpenOrder
    key_columns = ("order_id",)
    indexes = ("(symbol, placed_position)",)
    ignores = (
        *Account.FACTS,
        Order.Rejected,
        *Position.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By order."""
        return (event.originator_id,)

    @on(Order.Placed)
    def placed(self, event: Order.Placed, rows: Rows[OpenOrder]) -> None:
        """An order begins."""
        row = _born(event, rows.fact.log_position)
        rows.add((row.order_id,), row)

    @on(Order.Accepted)
    def accepted(self, event: Order.Accepted, rows: Rows[OpenOrder]) -> None:
        """A venue works it."""
        filled.accept(self._row(event, rows), event)

    @on(Order.Triggered)
    def triggered(self, event: Order.Triggered, rows: Rows[OpenOrder]) -> None:
        """Its stop was elected."""
        self._row(event, rows).triggered_at = event.recorded_at

    @on(Order.Replaced)
    def replaced(self, event: Order.Replaced, rows: Rows[OpenOrder]) -> None:
        """Its terms changed."""
        row = self._row(event, rows)
        filled.revise(row, event.terms, event.revision)
        row.price_cap = event.price_cap

    @on(Order.Adjusted)
    def adjusted(self, event: Order.Adjusted, rows: Rows[OpenOrder]) -> None:
        """A split changed its quantity and prices."""
        row = self._row(event, rows)
        filled.revise(row, event.terms, event.revision)
        row.price_cap, row.filled_quantity, row.busted_quantity = event.price_cap, event.filled, NO_SHARES

    @on(Order.Executed)
    def executed(self, event: Order.Executed, rows: Rows[OpenOrder]) -> None:
        """It traded; filled whole, it has ended."""
        if event.corrects is not None and rows.get((event.originator_id,)) is None:
            return  # the order has ended
        row = self._row(event, rows)
        if not filled.fill(row, event):
            return
        row.status = "partially_filled"
        if not event.leaves_quantity:
            rows.remove((event.originator_id,))

    @on(Order.Reversed)
    def reversed(self, event: Order.Reversed, rows: Rows[OpenOrder]) -> None:
        """An execution is taken back; its shares are not traded again."""
        if rows.get((event.originator_id,)) is None:
            return  # the order has ended
        filled.bust(self._row(event, rows), event.original)

    @on(Order.Cancelled, Order.Expired)
    def ended(self, event: Event, rows: Rows[OpenOrder]) -> None:
        """It cannot trade any more."""
        rows.remove((event.originator_id,))

    def _row(self, event: Event, rows: Rows[OpenOrder]) -> OpenOrder:
        row = rows[(event.originator_id,)]
        row.log_position = rows.fact.log_position
        return row


def _born(event: Order.Placed, position: int) -> OpenOrder:
    terms = event.terms
    return OpenOrder(
        order_id=event.originator_id,
        account_id=event.account_id,
        symbol=terms.symbol,
        side=terms.side.value,
        type=terms.type.value,
        time_in_force=terms.time_in_force.value,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        client_order_id=terms.client_order_id,
        price_cap=event.price_cap,
        status="accepted",
        venue=None,
        revision=0,
        filled_quantity=NO_SHARES,
        busted_quantity=NO_SHARES,
        notional=NOTHING,
        amount=NOTHING,
        placed_at=event.recorded_at,
        accepted_at=None,
        triggered_at=None,
        placed_position=position,
        log_position=position,
    )


OPEN_ORDERS = Question("open_orders", OpenOrder, "TRUE ORDER BY symbol, placed_position")
OPEN_ORDERS_OF_SYMBOL = Question(
    "open_orders",
    OpenOrder,
    "symbol = %(symbol)s AND placed_position > %(after)s ORDER BY placed_position LIMIT %(limit)s",
)
"""Oldest first; `after` is the placed_position of the last row of the page before, or 0."""
