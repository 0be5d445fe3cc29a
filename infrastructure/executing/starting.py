"""The working orders out of their read table, so that a start reads the tail of the log and not all of it.

The table of open orders says which orders were open at the position of each of its partitions, the table of
executions what was taken of the last quotes up to there. Both are read in one snapshot. Whatever casts a doubt on
them (a table that is missing or of another version, a parked account, executions that are behind) means: from
the log.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct
from psycopg import Connection, errors

from domain.order import Order, OrderStatus
from domain.terms import OrderTerms, OrderType, Side, TimeInForce
from domain.values import NO_SHARES, Quantity
from infrastructure.eventstore.log import Recorded
from infrastructure.projecting.chains import partition_of
from infrastructure.projecting.standing import Lane, live_lanes, standings
from infrastructure.projecting.tables import column_list, row_from
from projections.catalogue import BY_NAME
from projections.open_orders import OPEN_ORDERS, OpenOrder

log = structlog.get_logger()

TABLES = ("open_orders", "executions")
CHUNK = 10_000

# Before the first snapshot: while it is held, no rebuilt table takes the place of the one that is read.
_STAND_STILL = "LOCK TABLE read.open_orders, read.executions IN ACCESS SHARE MODE"
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# The last quote that each side of each symbol took from, found by one look into the index for each.
_TAKEN = (
    "WITH RECURSIVE last AS ("
    "(SELECT symbol, side, quote FROM read.executions ORDER BY symbol, side, quote DESC LIMIT 1)"
    " UNION ALL SELECT next.* FROM last, LATERAL ("
    "SELECT symbol, side, quote FROM read.executions WHERE (symbol, side) > (last.symbol, last.side)"
    " ORDER BY symbol, side, quote DESC LIMIT 1) AS next)"
    " SELECT symbol, side, quote, e.account_id, e.log_position, e.quantity"
    " FROM last JOIN read.executions e USING (symbol, side, quote)"
)

Taken = dict[tuple[str, Side], tuple[int, Quantity]]
"""By symbol and side: the last quote that was taken from, and how much."""


class Start(Struct, frozen=True):
    """Where to go on from: the open orders with their ranks, what was taken, and what of the log is in them."""

    orders: list[tuple[Order, int]]
    taken: Taken
    lanes: list[Lane]

    @property
    def log_position(self) -> int:
        """Everything up to here is in it."""
        return min(lane.position for lane in self.lanes)

    def has(self, row: Recorded) -> bool:
        """Whether this row of the log is in it: its account's partition has come so far."""
        return row.log_position <= _position_of(self.lanes, row.account_id)


def from_tables(connection: Connection[Any]) -> Start | None:
    """The working orders as their read tables have them; None when they have to come from the log."""
    try:
        with connection.transaction():
            connection.execute(_SNAPSHOT)
            connection.execute(_STAND_STILL)
            doubt = _doubt(connection)
            if doubt is None:
                return _read(connection)
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege) as error:
        doubt = str(error).strip()
    log.info("the working orders come from the log", reason=doubt)
    return None


def _doubt(connection: Connection[Any]) -> str | None:
    """Why the tables are not to be trusted; None when they are."""
    found = standings(connection)
    for name in TABLES:
        standing = found.get(name)
        if standing is None or standing.version != BY_NAME[name].version:
            return f"{name} is not of this version"
        if standing.parked:
            return f"{name} has parked accounts"
    orders, executions = (live_lanes(connection, name) for name in TABLES)
    if len(orders) != len(executions) or _is_behind(executions, orders):
        return "executions are behind open orders"
    half_told = connection.execute("SELECT FROM read.executions WHERE symbol = '' LIMIT 1").fetchone()
    return None if half_told is None else "an execution is half told"


def _is_behind(lanes: Sequence[Lane], others: Sequence[Lane]) -> bool:
    pairs = zip(lanes, others, strict=True)
    return any(lane.position < other.position for lane, other in pairs)


def _read(connection: Connection[Any]) -> Start:
    lanes = live_lanes(connection, "open_orders")
    projection = BY_NAME["open_orders"]
    sql = OPEN_ORDERS.sql(column_list(projection.table)).encode()
    with connection.cursor() as cursor:
        cursor.execute(sql)
        orders = []
        while rows := cursor.fetchmany(CHUNK):
            orders += [_order_of(row_from(projection, row)) for row in rows]
    return Start(orders, _taken(connection, lanes), lanes)


def _taken(connection: Connection[Any], lanes: Sequence[Lane]) -> Taken:
    """What was taken up to where the orders stand; what came after is still to be read from the log."""
    taken: Taken = {}
    for symbol, side, quote, account_id, position, quantity in connection.execute(_TAKEN):
        if position <= _position_of(lanes, account_id):
            before = taken.get((symbol, Side(side)), (quote, NO_SHARES))[1]
            taken[symbol, Side(side)] = (quote, before + quantity)
    return taken


def _position_of(lanes: Sequence[Lane], account_id: UUID) -> int:
    return lanes[partition_of(account_id, len(lanes))].position


def _order_of(row: OpenOrder) -> tuple[Order, int]:
    """The order as its events would leave it, but for the ids of its executions, and its rank."""
    terms = OrderTerms(
        symbol=row.symbol,
        side=Side(row.side),
        type=OrderType(row.type),
        quantity=row.quantity,
        time_in_force=TimeInForce(row.time_in_force),
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        client_order_id=row.client_order_id,
    )
    order = Order(
        id=row.order_id,
        account_id=row.account_id,
        terms=terms,
        price_cap=row.price_cap,
        status=OrderStatus(row.status),
        venue=row.venue,
        revision=row.revision,
        placed_at=row.placed_at,
        accepted_at=row.accepted_at,
        triggered_at=row.triggered_at,
        filled=row.filled_quantity,
        busted=row.busted_quantity,
        notional=row.notional,
        spent=row.amount,
    )
    return order, row.placed_position
