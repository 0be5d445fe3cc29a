"""A day's order events by the names and fields of the Consolidated Audit Trail.

CAT Reporting Technical Specifications for Industry Members, version 4.1.0: section 5.1, equity orders. Timestamps are
Eastern Time in microseconds, days are days there; quantities and prices are exact JSON numbers. Nothing is sent anywhere.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from psycopg import Connection

from application.brokerage import fold
from domain.aggregate import Event
from domain.facts import name_of
from domain.order import Order
from domain.terms import OrderTerms, OrderType, TimeInForce
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.auditing.spans import span_in_log
from infrastructure.eventstore.log import COLUMNS, read_stream, rows_of
from infrastructure.postgres.connections import connect

SPECIFICATION = "4.1.0"
EASTERN = ZoneInfo("America/New_York")
CHUNK = 5_000

NAMES: dict[type[Event], str | None] = {
    Order.Placed: "MENO",  # New Order: received from a customer
    Order.Accepted: "MEOA",  # Order Accepted: the venue took it
    Order.Replaced: "MEOM",  # Order Modified, by the customer
    Order.Adjusted: "MEOJ",  # Order Adjusted: by the firm, for a split
    Order.Triggered: "MEOE",  # Order Effective: the stop was elected
    Order.Executed: "MEOT",  # Trade
    Order.Reversed: "MEOT",  # the same trade corrected, with cancelFlag
    Order.Cancelled: "MEOC",  # Order Cancelled
    Order.Expired: None,  # its time in force says it
    Order.Rejected: None,  # never became an order
}
"""What an order's event is called there; None is not reported.

MEOF (Order Fulfillment) is for customers that are filled out of the firm's own account or of an order that stands for
several; every order here trades for itself, so there is none.
"""

_TYPES = {
    OrderType.MARKET: ("MKT", None),
    OrderType.LIMIT: ("LMT", None),
    OrderType.STOP: ("MKT", "STP"),
    OrderType.STOP_LIMIT: ("LMT", "STL"),
}
_DAY_EVENTS = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s AND notification_id < %s"
    " AND recorded_at >= %s AND recorded_at < %s AND topic LIKE 'Order.%%' ORDER BY notification_id LIMIT %s"
)
_encode = msgspec.json.Encoder(decimal_format="number").encode

Fields = dict[str, Any]
Tell = Callable[[int, int], None]


def report(url: str, day: date, reporter: str, *, tell: Tell = lambda at, end: None) -> Iterator[bytes]:
    """The day's events, one line of JSON each, in the order of the log. Memory holds the day's open orders."""
    with closing(connect(url, application="daybook audit cat")) as connection:
        for line in _Day(connection, day, reporter, tell).lines():
            yield _encode(line) + b"\n"


class _Day:
    def __init__(self, connection: Connection[Any], day: date, reporter: str, tell: Tell) -> None:
        self._connection = connection
        self._day = day
        self._reporter = reporter
        self._tell = tell
        self._orders: dict[UUID, Order] = {}

    def lines(self) -> Iterator[Fields]:
        begins = datetime.combine(self._day, time(), EASTERN)
        ends = datetime.combine(self._day + timedelta(days=1), time(), EASTERN)
        first, end = span_in_log(self._connection, begins, ends)
        for position, event in self._events(first, end, begins, ends):
            before = self._before(event)
            line = self._line(position, event, before)
            after = fold(before, [event])
            self._remember(after)
            if line is not None:
                yield line
            self._tell(position - first + 1, end - first)

    def _events(self, first: int, end: int, begins: datetime, ends: datetime) -> Iterator[tuple[int, Event]]:
        after, last = first - 1, ends - timedelta(microseconds=1)
        while True:
            asked = (after, end, begins, ends, CHUNK)
            found = rows_of(self._connection.execute(_DAY_EVENTS.encode(), asked))
            wanted = Wanted(after=after, up_to=end - 1, topic="Order.", since=begins, at=last, limit=CHUNK)
            rows = with_archived(self._connection, found, wanted)
            for row in rows:
                yield row.log_position, row.event()
            if not rows:
                return
            after = rows[-1].log_position

    def _before(self, event: Event) -> Order | None:
        """The order as it was before an event."""
        known = self._orders.get(event.originator_id)
        if known is not None or event.originator_version == 1:
            return known
        rows = read_stream(self._connection, event.originator_id)
        order: Order | None = fold(
            None, (row.event() for row in rows if row.originator_version < event.originator_version)
        )
        return order

    def _remember(self, order: Order) -> None:
        if order.ended_at is None:
            self._orders[order.id] = order
        else:
            self._orders.pop(order.id, None)

    def _line(self, position: int, event: Event, before: Order | None) -> Fields | None:
        name = NAMES[type(event)]
        if name is None:
            return None
        head = {
            "actionType": "COR" if isinstance(event, Order.Reversed) else "NEW",
            "firmROEID": f"{self._day:%Y%m%d}_{position}",
            "type": name,
            "CATReporterIMID": self._reporter,
        }
        if isinstance(event, Order.Placed):
            keys = _keys(event, event.terms, event.recorded_at)
        else:
            assert before is not None, "an order begins with being placed"  # noqa: S101
            assert before.terms is not None and before.placed_at is not None  # noqa: S101, PT018
            keys = _keys(event, before.terms, before.placed_at)
        is_trade = isinstance(event, Order.Executed | Order.Reversed)
        common = {} if is_trade else {"orderKeyDate": keys["orderKeyDate"], "orderID": keys["orderID"]}
        return {
            **head,
            **common,
            "symbol": keys["symbol"],
            "eventTimestamp": _moment(event.recorded_at),
            "manualFlag": False,
            **_details(event, before, keys, self._reporter),
            "seqNum": str(position),
        }


def _keys(event: Event, terms: OrderTerms, placed_at: datetime) -> Fields:
    return {
        "orderKeyDate": f"{placed_at.astimezone(EASTERN):%Y%m%d}T000000",
        "orderID": str(event.originator_id),
        "symbol": terms.symbol,
        "side": "B" if terms.is_buy else "SL",
    }


def _details(event: Event, before: Order | None, keys: Fields, reporter: str) -> Fields:
    """What the event's own kind has."""
    match event:
        case Order.Placed():
            return _new(event)
        case Order.Accepted():
            routed = {"receiverIMID": event.venue.upper(), "senderIMID": reporter, "senderType": "F"}
            return {**routed, "routedOrderID": keys["orderID"], **_terms_of(before)}
        case Order.Replaced() | Order.Adjusted():
            leaves = event.terms.quantity - _filled(event, before)
            return {
                "priorOrderKeyDate": keys["orderKeyDate"],
                "priorOrderID": keys["orderID"],
                "initiator": "C" if isinstance(event, Order.Replaced) else "F",
                "leavesQty": leaves,
                **_terms(event.terms, event.recorded_at),
            }
        case Order.Triggered():
            return {"side": keys["side"], "price": event.price, "triggerPriceType": event.elected_by}
        case Order.Cancelled():
            initiator = "C" if event.reason == "requested" else "F"
            return {"cancelQty": event.leaves_quantity, "leavesQty": Decimal(0), "initiator": initiator}
        case Order.Executed():
            return _trade(event, event.recorded_at, keys)
        case Order.Reversed():
            return {
                **_trade(event.original, event.recorded_at, keys),
                "cancelFlag": True,
                "cancelTimestamp": _moment(event.recorded_at),
            }
    raise AssertionError(f"{name_of(type(event))} is reported and has no fields")


def _new(event: Order.Placed) -> Fields:
    return {
        "deptType": "A",
        **_terms(event.terms, event.recorded_at),
        "firmDesignatedID": str(event.account_id),
        "accountHolderType": "I",
        "affiliateFlag": False,
        "negotiatedTradeFlag": False,
        "representativeInd": "N",
    }


def _terms_of(order: Order | None) -> Fields:
    assert order is not None and order.terms is not None and order.placed_at is not None  # noqa: S101, PT018
    return {"deptType": "A", "affiliateFlag": False, **_terms(order.terms, order.placed_at)}


def _terms(terms: OrderTerms, at: datetime) -> Fields:
    kind, stop = _TYPES[terms.type]
    found: Fields = {"side": "B" if terms.is_buy else "SL", "quantity": terms.quantity, "orderType": kind}
    if terms.limit_price is not None:
        found["price"] = terms.limit_price
    day = f"DAY={at.astimezone(EASTERN):%Y%m%d}"
    found["timeInForce"] = (
        day if terms.time_in_force is TimeInForce.DAY else terms.time_in_force.value.upper()
    )
    found["tradingSession"] = "REG"
    if stop is not None:
        found["handlingInstructions"] = f"{stop}={terms.stop_price}"
    return found


def _filled(event: "Order.Replaced | Order.Adjusted", before: Order | None) -> Decimal:
    if isinstance(event, Order.Adjusted):
        return event.filled
    return Decimal(0) if before is None else before.filled + before.busted


def _trade(event: Any, at: datetime, keys: Fields) -> Fields:
    side = {name: keys[name] for name in ("orderKeyDate", "orderID", "side")}
    is_buy = keys["side"] == "B"
    return {
        "tradeKeyDate": f"{at.astimezone(EASTERN):%Y%m%d}T000000",
        "tradeID": str(event.execution_id),
        "quantity": event.quantity,
        "price": event.price,
        "capacity": "A",
        "marketCenterID": event.venue.upper(),
        "sideDetailsInd": "BUY" if is_buy else "SELL",
        "buyDetails" if is_buy else "sellDetails": [side],
    }


def _moment(at: datetime) -> str:
    return f"{at.astimezone(EASTERN):%Y%m%dT%H%M%S.%f}"
