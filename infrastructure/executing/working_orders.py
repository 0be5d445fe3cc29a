"""The orders that are open, and the book that goes with them: taken up from the read table, kept up by the log."""

import re
import time
from typing import Any
from uuid import UUID

import psycopg
import structlog

from application.brokerage import fold
from domain.book import Book
from domain.matching import WorkingOrder
from domain.order import Order
from domain.terms import Side
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import LAST, Recorded, rows_of
from infrastructure.executing.starting import Start, from_tables

log = structlog.get_logger()

CHUNK = 20_000
KINDS_BY_CUSTOMER = re.compile(r"Order\.(Placed|Replaced)(:\d+)?")
"""Topics, of any version, of what customers do to their orders."""

_ORDER_ROWS = (
    "SELECT notification_id, originator_id, originator_version, topic, state, account_id, recorded_at, NULL"
    " FROM stored_events WHERE notification_id > %s AND notification_id <= %s AND topic LIKE 'Order.%%'"
    " ORDER BY notification_id"
)


class OrderTail:
    """Every order event after the last one seen, in order."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.position = 0

    def read(self) -> list[Recorded]:
        """What has come since, at most a chunk of the log at a time; empty at the end of the log."""
        row = self._connection.execute(LAST, prepare=True).fetchone()
        end = row[0] if row else 0
        found: list[Recorded] = []
        while not found and self.position < end:
            upto = min(end, self.position + CHUNK)
            rows = rows_of(self._connection.execute(_ORDER_ROWS, (self.position, upto), prepare=True))
            wanted = Wanted(after=self.position, up_to=upto, topic="Order.")
            found = with_archived(self._connection, rows, wanted)
            self.position = upto
        return found


class WorkingOrders:
    """Every open order as the log has it, and the book kept in agreement with them."""

    def __init__(self, connection: psycopg.Connection[Any], book: Book) -> None:
        self.book = book
        self.caught_up_at = 0.0
        self._connection = connection
        self._tail = OrderTail(connection)
        self._orders: dict[UUID, Order] = {}
        self._ranks: dict[UUID, int] = {}
        self._taken: dict[tuple[str, Side], tuple[int, Any]] = {}

    def build(self) -> None:
        """Fill the book, and note what has been taken of the quotes as they stand.

        From the read tables and the log after them; from the whole log when the tables are not to be trusted.
        """
        began = time.monotonic()
        start = from_tables(self._connection)
        if start is not None:
            self._take_up(start)
        while rows := self._tail.read():
            for row in rows:
                if start is None or not start.has(row):
                    self._learn(row)
        for order_id, order in self._orders.items():
            self.book.add(WorkingOrder.of(order, self._ranks[order_id]))
        for (symbol, side), (sequence, quantity) in self._taken.items():
            self.book.restore_consumed(symbol, sequence, side, quantity)
        log.info(
            "working orders",
            orders=len(self.book),
            log_position=self._tail.position,
            read_from=0 if start is None else start.log_position,
            seconds=round(time.monotonic() - began, 3),
        )

    def catch_up(self) -> list[UUID]:
        """Bring the book up to the log. Returns the orders that are new or changed by their customers."""
        self.caught_up_at = time.monotonic()
        changed: dict[UUID, bool] = {}  # by order: whether its customer did it
        while rows := self._tail.read():
            for row in rows:
                self._learn(row)
                by_customer = KINDS_BY_CUSTOMER.fullmatch(row.topic) is not None
                changed[row.originator_id] = by_customer or changed.get(row.originator_id, False)
        # Only now: as the last fact left it, not as it stood between a change of terms and a fill.
        for order_id, by_customer in changed.items():
            self._agree(order_id, by_customer=by_customer)
        return [order_id for order_id, by_customer in changed.items() if by_customer]

    def take_again(self, order_id: UUID) -> None:
        """Let the book have an order as the log has it: a command for it was refused."""
        order = self._orders.get(order_id)
        if order is not None:
            self.book.resync(order, self._ranks[order_id])
        else:
            self.book.remove(order_id)

    def _take_up(self, start: Start) -> None:
        for order, rank in start.orders:
            self._orders[order.id], self._ranks[order.id] = order, rank
        self._taken.update(start.taken)
        self._tail.position = start.log_position

    def _learn(self, row: Recorded) -> None:
        event = row.event()
        order: Order = fold(self._orders.get(row.originator_id), (event,))
        if isinstance(event, Order.Placed):
            self._ranks[order.id] = row.log_position
        if isinstance(event, Order.Executed) and event.corrects is None:
            self._note_taken(order, event)
        if order.is_open:
            self._orders[order.id] = order
        else:
            self._orders.pop(order.id, None)
            self._ranks.pop(order.id, None)

    def _note_taken(self, order: Order, event: Order.Executed) -> None:
        side = order.terms.side if order.terms else Side.BUY
        sequence, quantity = self._taken.get((order.symbol, side), (0, 0))
        if event.quote < sequence:
            return
        quantity = quantity + event.quantity if sequence == event.quote else event.quantity
        self._taken[order.symbol, side] = (event.quote, quantity)

    def _agree(self, order_id: UUID, *, by_customer: bool) -> None:
        """Let the book have the order as the log has it, also when another executor's last fills came late."""
        order, working = self._orders.get(order_id), self.book.get(order_id)
        if order is None:
            self.book.remove(order_id)
        elif by_customer or working is None or _differ(working, order):
            self.book.resync(order, self._ranks[order_id])


def _differ(working: WorkingOrder, order: Order) -> bool:
    """Whether fills, or a split, have left the order other than the book has it."""
    return working.leaves != order.leaves or working.revision != order.revision
