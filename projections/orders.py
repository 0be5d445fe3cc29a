"""Every order and where it stands."""

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
from domain.terms import LotChoice, LotMethod, OrderTerms
from domain.trade import total
from domain.transfer import Transfer
from domain.values import NO_SHARES, NOTHING, average
from projections import filled
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question


class OrderRow(Struct):
    """One order. `amount` is what was paid or received for `filled_quantity` before charges, in dollars.

    `charges_held` is what of a buy's hold is there for charges: they come to no more. `busted_quantity` is of
    executions that were reversed; it is not traded again.
    """

    order_id: UUID
    account_id: UUID
    client_order_id: str | None
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: str
    reason: str | None
    detail: str | None
    venue: str | None
    revision: int
    lot_method: str | None
    lots: list[LotChoice]
    filled_quantity: Decimal
    busted_quantity: Decimal
    leaves_quantity: Decimal
    notional: Decimal
    amount: Decimal
    charges: Decimal
    charges_held: Decimal
    average_price: Decimal | None
    placed_at: datetime
    accepted_at: datetime | None
    triggered_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    placed_position: int
    log_position: int


class Orders(Projection):
    """One row an order, rejected ones too."""

    name = "orders"
    version = 2  # 2: charges, adjusted by splits, lots
    row = OrderRow
    key_columns = ("order_id",)
    indexes = ("(account_id, placed_position DESC)", "(status, symbol) WHERE ended_at IS NULL")
    ignores = (
        *Account.FACTS,
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
    def placed(self, event: Order.Placed, rows: Rows[OrderRow]) -> None:
        """An order begins."""
        row = _born(event, event.terms, rows.fact)
        row.charges_held = event.charges_held
        rows.add((row.order_id,), row)

    @on(Order.Rejected)
    def rejected(self, event: Order.Rejected, rows: Rows[OrderRow]) -> None:
        """An order begins and ends at once."""
        row = _born(event, event.terms, rows.fact)
        row.status, row.reason, row.detail = "rejected", event.reason, event.detail
        row.ended_at, row.leaves_quantity = event.recorded_at, NO_SHARES
        rows.add((row.order_id,), row)

    @on(Order.Accepted)
    def accepted(self, event: Order.Accepted, rows: Rows[OrderRow]) -> None:
        """A venue works it."""
        filled.accept(self._row(event, rows), event)

    @on(Order.Triggered)
    def triggered(self, event: Order.Triggered, rows: Rows[OrderRow]) -> None:
        """Its stop was elected."""
        self._row(event, rows).triggered_at = event.recorded_at

    @on(Order.Executed)
    def executed(self, event: Order.Executed, rows: Rows[OrderRow]) -> None:
        """It traded."""
        row = self._row(event, rows)
        is_new = filled.fill(row, event)
        if event.charges:
            row.charges += total(event.charges)
        row.average_price = average(row.notional, row.filled_quantity)
        if not is_new:
            return
        row.leaves_quantity = event.leaves_quantity
        row.status = "partially_filled" if event.leaves_quantity else "filled"
        if not event.leaves_quantity:
            row.ended_at, row.charges_held = event.recorded_at, NOTHING

    @on(Order.Reversed)
    def reversed(self, event: Order.Reversed, rows: Rows[OrderRow]) -> None:
        """An execution is taken back; its shares are not traded again."""
        row, wrong = self._row(event, rows), event.original
        filled.bust(row, wrong)
        row.charges -= total(wrong.charges)
        row.average_price = average(row.notional, row.filled_quantity) if row.filled_quantity else None

    @on(Order.Replaced)
    def replaced(self, event: Order.Replaced, rows: Rows[OrderRow]) -> None:
        """Its terms changed."""
        row = self._row(event, rows)
        filled.revise(row, event.terms, event.revision)
        row.leaves_quantity = event.terms.quantity - row.filled_quantity - row.busted_quantity
        row.charges_held = event.charges_held

    @on(Order.Adjusted)
    def adjusted(self, event: Order.Adjusted, rows: Rows[OrderRow]) -> None:
        """A split changed its quantity and prices."""
        row, terms = self._row(event, rows), event.terms
        filled.revise(row, terms, event.revision)
        row.filled_quantity, row.busted_quantity = event.filled, NO_SHARES
        row.lots = list(terms.chosen_lots)
        row.leaves_quantity = terms.quantity - event.filled
        row.average_price = average(row.notional, event.filled) if event.filled else None

    @on(Order.Cancelled)
    def cancelled(self, event: Order.Cancelled, rows: Rows[OrderRow]) -> None:
        """The rest was taken back."""
        _end(self._row(event, rows), "cancelled", event.reason, event.recorded_at)

    @on(Order.Expired)
    def expired(self, event: Order.Expired, rows: Rows[OrderRow]) -> None:
        """Its session closed."""
        _end(self._row(event, rows), "expired", event.reason, event.recorded_at)

    def _row(self, event: Event, rows: Rows[OrderRow]) -> OrderRow:
        row = rows[(event.originator_id,)]
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _born(event: Event, terms: OrderTerms, fact: Fact) -> OrderRow:
    return OrderRow(
        order_id=event.originator_id,
        account_id=event.account_id,
        client_order_id=terms.client_order_id,
        symbol=terms.symbol,
        side=terms.side.value,
        type=terms.type.value,
        time_in_force=terms.time_in_force.value,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        status="accepted",
        reason=None,
        detail=None,
        venue=None,
        revision=0,
        lot_method=terms.lot_method.value if isinstance(terms.lot_method, LotMethod) else None,
        lots=list(terms.chosen_lots),
        filled_quantity=NO_SHARES,
        busted_quantity=NO_SHARES,
        leaves_quantity=terms.quantity,
        notional=NOTHING,
        amount=NOTHING,
        charges=NOTHING,
        charges_held=NOTHING,
        average_price=None,
        placed_at=event.recorded_at,
        accepted_at=None,
        triggered_at=None,
        ended_at=None,
        updated_at=event.recorded_at,
        placed_position=fact.log_position,
        log_position=fact.log_position,
    )


def _end(row: OrderRow, status: str, reason: str, at: datetime) -> None:
    row.status, row.reason, row.ended_at = status, reason, at
    row.leaves_quantity, row.charges_held = NO_SHARES, NOTHING


ORDER = Lookup("orders", OrderRow, by=("order_id", "account_id"))
ORDERS_OF_ACCOUNT = Question(
    "orders",
    OrderRow,
    "account_id = %(account_id)s"
    " AND (%(status)s::text[] IS NULL OR status = ANY(%(status)s::text[]))"
    " AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s::text)"
    " AND placed_position < %(before)s ORDER BY placed_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the placed_position of the last row of the page before, or 2^62."""

DAY_ORDERS_PLACED_BEFORE = Question(
    "orders",
    OrderRow,
    "status IN ('accepted', 'partially_filled') AND ended_at IS NULL AND time_in_force = 'day'"
    " AND placed_at < %(moment)s ORDER BY placed_position LIMIT %(limit)s",
)
