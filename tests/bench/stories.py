"""A log made quickly: the product's own handlers decide in memory, and COPY writes what they decided.

So every event is a real one, encoded as the committer encodes it, and every account could go on trading.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg

from application import commands as c
from application.answers import Answer
from application.handlers import handle
from application.ledger import Ledger
from application.requests import Metadata
from domain.aggregate import Aggregate
from domain.facts import TOPICS
from domain.order import Order
from domain.terms import OrderType, Side, TimeInForce
from infrastructure.eventstore.log import COLUMNS, last_row
from infrastructure.eventstore.mapper import encode_event
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from infrastructure.trading_rules import trading_rules
from interfaces.http.ids import fresh_id

# The last is json, whose binary form is its text.
TYPES = ["int8", "uuid", "int8", "text", "bytea", "uuid", "timestamptz", "text"]
SYMBOLS = [f"{a}{b}{c}" for a in "ABCDEFGHIJ" for b in "KLMNOPQRST" for c in "ABCDEFGHIJ"]
"""A thousand."""

CASH = Decimal("100000000.00")
FLUSH = 50_000

_COPY = f"COPY stored_events ({COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()


class Story:
    """Appends to a log from outside, while nobody else does."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url, application="bench story")
        self.position = last_row(self._connection)[0]
        self._aggregates: dict[UUID, Aggregate] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._now = datetime.now(UTC) - timedelta(hours=1)
        self._rules = trading_rules(
            Settings()
        )  # a deployment's: charges, and the days on which trades settle
        self._metadata = ""
        self.acts_as(uuid4())

    def __enter__(self) -> "Story":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._connection.close()

    def acts_as(self, user_id: UUID) -> None:
        """Whose doing the next events are."""
        said = Metadata(actor=str(user_id), role="customer", request_id=uuid4(), origin_id=uuid4())
        self._metadata = msgspec.json.encode(said).decode()

    def decide(self, command: c.Command) -> Answer:
        """Have a command decided, and keep its events to be written. Raises its Refusal."""
        self._now += timedelta(microseconds=50)
        ledger = Ledger(self._load, now=self._now, rules=self._rules)
        answer = handle(command, ledger)
        for event in ledger.decided():
            self.position += 1
            who, topic, state = event.originator_id, TOPICS[type(event)], encode_event(event)
            place, at = (self.position, who, event.originator_version), event.recorded_at
            self._rows.append((*place, topic, state, event.account_id, at, self._metadata))
        self._keep(ledger.touched())
        if len(self._rows) >= FLUSH:
            self.flush()
        return answer

    def flush(self) -> None:
        """Write what was decided."""
        with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(TYPES)
            for row in self._rows:
                copy.write_row(row)
        self._rows.clear()

    def forget(self) -> None:
        """Let go of all aggregates: nothing more is decided about them."""
        self._aggregates.clear()

    def _load(self, kind: type[Any], stream_id: UUID, account_id: UUID) -> Any:
        return self._aggregates.get(stream_id) or kind(id=stream_id, account_id=account_id)

    def _keep(self, touched: list[Aggregate]) -> None:
        for aggregate in touched:
            aggregate.pending.clear()
            if isinstance(aggregate, Order) and not aggregate.is_open:
                self._aggregates.pop(aggregate.id, None)
            else:
                self._aggregates[aggregate.id] = aggregate

    # Commands in short.

    def open(self, account_id: UUID, *, cash: Decimal = CASH) -> None:
        """An account with cash: two events."""
        self.decide(c.OpenAccount(account_id=account_id, owner_id=account_id))
        self.decide(c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=cash))

    def place(self, account_id: UUID, symbol: str, *, side: Side = Side.BUY, price: str = "10.00") -> UUID:
        """An order for ten shares that stays: two events."""
        command = limit_order(account_id, symbol, side=side, price=price)
        self.decide(command)
        return command.order_id

    def accept(self, account_id: UUID, order_id: UUID) -> None:
        """The venue works it: one event."""
        self.decide(c.AcceptOrder(account_id=account_id, order_id=order_id, venue="internal"))

    def fill(self, account_id: UUID, order_id: UUID, symbol: str, *, price: str = "10.00") -> None:
        """All of it trades: three events."""
        self.decide(fill_of(account_id, order_id, symbol, price=price))

    def day_trade(self, account_id: UUID, symbol: str) -> None:
        """Three purchases, an order that is taken back, and the sale of all: 24 events."""
        for _ in range(3):
            self.fill(account_id, self.place(account_id, symbol), symbol)
        self.cancel(account_id, self.place(account_id, symbol))
        sale = limit_order(account_id, symbol, side=Side.SELL, quantity=30)
        self.decide(sale)
        self.decide(fill_of(account_id, sale.order_id, symbol, price="10.50", quantity=30))

    def cancel(self, account_id: UUID, order_id: UUID) -> None:
        """It is taken back: two events."""
        self.decide(c.CancelOrder(account_id=account_id, order_id=order_id))


def limit_order(
    account_id: UUID, symbol: str, *, side: Side = Side.BUY, price: str = "10.00", quantity: int = 10
) -> c.PlaceOrder:
    """A limit order, for ten shares unless told, good till cancelled."""
    return c.PlaceOrder(
        account_id=account_id,
        order_id=fresh_id(),
        symbol=symbol,
        side=side,
        type=OrderType.LIMIT,
        quantity=Decimal(quantity),
        limit_price=Decimal(price),
        time_in_force=TimeInForce.GTC,
    )


def fill_of(
    account_id: UUID, order_id: UUID, symbol: str, *, price: str = "10.00", quantity: int = 10
) -> c.ExecuteOrder:
    """The execution of all shares, ten unless told."""
    return c.ExecuteOrder(
        account_id=account_id,
        order_id=order_id,
        symbol=symbol,
        execution_id=fresh_id(),
        quantity=Decimal(quantity),
        price=Decimal(price),
        venue="internal",
        quote=1,
    )


def trade(story: Story, accounts: list[UUID]) -> Iterator[int]:
    """Everyday trading, for ever: of five orders three buys fill, one is cancelled, one sale fills. Yields the
    log's end after each round of one account.
    """
    turn = 0
    while True:
        for number, account_id in enumerate(accounts):
            symbol = SYMBOLS[(number + turn % 20) % len(SYMBOLS)]
            for _ in range(3):
                story.fill(account_id, story.place(account_id, symbol), symbol)
            story.cancel(account_id, story.place(account_id, symbol))
            sale = story.place(account_id, symbol, side=Side.SELL)
            story.fill(account_id, sale, symbol, price="10.50")
            yield story.position
        turn += 1


def positions_of(url: str) -> int:
    """Where the log ends."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT max(notification_id) FROM stored_events").fetchone()
    return int(row[0] or 0) if row else 0
