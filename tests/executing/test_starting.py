"""The executor's start: what it takes up from the read tables and the tail of the log is what the whole log says."""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from application import commands as c
from domain.book import Book
from domain.errors import Refusal
from domain.terms import OrderType, Side, TimeInForce
from infrastructure.executing import working_orders
from infrastructure.executing.starting import Start, from_tables
from infrastructure.executing.working_orders import WorkingOrders
from infrastructure.postgres.connections import connect
from infrastructure.projecting.runner import Projector
from projections.catalogue import BY_NAME
from tests.projecting.worked import Desk

PROJECTIONS = [BY_NAME["open_orders"], BY_NAME["executions"]]
SYMBOLS = ["AAPL", "BRK.B", "IBM"]


class Floor:
    """Customers who give, change and take back orders at random, and a venue that fills them."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance, self.quote = desk, random.Random(seed), 0
        self.accounts = [self._account() for _ in range(6)]
        self.orders: list[c.PlaceOrder] = []

    def live(self, steps: int) -> None:
        """So many things happen, one after the other."""
        for _ in range(steps):
            act = self.chance.choice([self.place, self.place, self.fill, self.fill, self.fill, self.change])
            with suppress(Refusal, IndexError):
                act()

    def place(self) -> None:
        kind, side = self.chance.choice(list(OrderType)), self.chance.choice(list(Side))
        price = Decimal(self.chance.randrange(90, 110))
        order = c.PlaceOrder(
            account_id=self.chance.choice(self.accounts),
            order_id=uuid4(),
            symbol=self.chance.choice(SYMBOLS),
            side=side,
            type=kind,
            time_in_force=self.chance.choice([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC]),
            quantity=Decimal(self.chance.randrange(1, 50)),
            limit_price=price if kind.has_limit else None,
            stop_price=price if kind.has_stop else None,
            client_order_id=self.chance.choice([None, str(uuid4())]),
            ask=price,
        )
        self.desk.do(order)
        self.orders.append(order)

    def fill(self) -> None:
        order = self.chance.choice(self.orders[-30:])
        who: dict[str, Any] = {
            "account_id": order.account_id,
            "order_id": order.order_id,
            "symbol": order.symbol,
        }
        self.quote += self.chance.randrange(2)  # some quotes are taken from more than once
        price = order.limit_price or order.stop_price or order.ask or Decimal(1)
        if order.type.has_stop:
            self.desk.do(c.TriggerOrder(**who, quote=self.quote, elected_by="last", price=price))
        quantity = Decimal(self.chance.randrange(1, 25))
        self.desk.do(
            c.ExecuteOrder(
                **who, execution_id=uuid4(), quantity=quantity, price=price, venue="SIM", quote=self.quote
            )
        )

    def change(self) -> None:
        order = self.chance.choice(self.orders[-30:])
        who = {"account_id": order.account_id, "order_id": order.order_id}
        more = order.quantity + self.chance.randrange(1, 9)
        self.desk.do(
            self.chance.choice(
                [
                    c.CancelOrder(**who),
                    c.AcceptOrder(**who, symbol=order.symbol, venue="SIM"),
                    c.ReplaceOrder(**who, quantity=more, ask=order.ask),
                    c.ExpireOrder(**who),
                ]
            )
        )

    def _account(self) -> UUID:
        """An account with cash and shares."""
        account_id = self.desk.opened("9000000.00")
        for symbol in SYMBOLS:
            ids = {"account_id": account_id, "order_id": uuid4(), "symbol": symbol}
            terms = {"side": Side.BUY, "type": OrderType.LIMIT, "quantity": Decimal(500)}
            self.desk.do(c.PlaceOrder(**ids, **terms, limit_price=Decimal(100)))
            fill = {"quantity": Decimal(500), "price": Decimal(100), "venue": "elsewhere", "quote": 0}
            self.desk.do(c.ExecuteOrder(**ids, **fill, execution_id=uuid4()))
        return account_id


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    one = Desk(database.app_url)
    yield one
    one.close()


def project(url: str, *, partitions: int = 1, only: slice = slice(None), projections: Any = None) -> None:
    """Bring the tables up to the log, or some of their partitions."""
    projector = Projector(
        url, projections or PROJECTIONS, wake=threading.Event(), partitions=partitions, batch=40
    )
    projector._workers = projector._workers[only]
    projector.catch_up()


def built(url: str) -> WorkingOrders:
    with connect(url, application="test") as connection:
        found = WorkingOrders(connection, Book("last"))
        found.build()
    return found


def told(found: WorkingOrders) -> dict[str, Any]:
    """All that an executor goes by: orders (but for the ids of their fills), ranks, and the book."""
    shelves = {
        symbol: (
            shelf.sequence,
            [(half.taken, half.stops, half.markets, half.limits) for half in shelf.halves],
        )
        for symbol, shelf in found.book._shelves.items()
    }
    return {
        "orders": {i: replace(o, executions=set(), version=0) for i, o in found._orders.items()},
        "ranks": found._ranks,
        "taken": found._taken,
        "book": found.book._orders,
        "shelves": shelves,
        "fresh": {symbol: set(shelf.fresh) for symbol, shelf in found.book._shelves.items()},
        "position": found._tail.position,
    }


def started(url: str) -> Start | None:
    with connect(url, application="test") as connection:
        return from_tables(connection)


def from_the_log(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    with monkeypatch.context() as patched:
        patched.setattr(working_orders, "from_tables", lambda _: None)
        return told(built(url))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("after", [0, 1, 60])
def test_from_table_and_tail_is_the_same_as_from_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seed: int, after: int
) -> None:
    floor = Floor(desk, seed)
    floor.live(120)
    project(desk.url, partitions=1 + seed % 2 * 3)
    floor.live(after)

    start, found = started(desk.url), told(built(desk.url))

    assert start is not None
    assert 0 < start.log_position <= found["position"]
    assert len(start.orders) > 5
    assert found == from_the_log(desk.url, monkeypatch)


def test_partitions_that_stand_at_different_places_are_each_read_on_from_their_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = Floor(desk, 9)
    for number in range(6):
        floor.live(40)
        project(desk.url, partitions=4, only=slice(number % 4, number % 4 + 1) if number else slice(None))

        start, found = started(desk.url), told(built(desk.url))

        assert start is not None
        assert number == 0 or len({lane.position for lane in start.lanes}) > 1
        assert found == from_the_log(desk.url, monkeypatch)


def test_a_started_book_is_kept_up_by_the_log(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Floor(desk, 11)
    floor.live(80)
    project(desk.url)
    with connect(desk.url, application="test") as connection:
        found = WorkingOrders(connection, Book("last"))
        found.build()
        floor.live(80)
        found.catch_up()

    orders = {i: replace(o, executions=set(), version=0) for i, o in found._orders.items()}
    wanted = from_the_log(desk.url, monkeypatch)
    assert (orders, found._taken, set(found.book._orders)) == (
        wanted["orders"],
        wanted["taken"],
        set(wanted["book"]),
    )


@pytest.mark.parametrize(
    "spoil",
    [
        "DROP TABLE read.open_orders",
        "DROP TABLE read.executions",
        "ALTER TABLE read.open_orders DROP COLUMN price_cap",
        "UPDATE projection_generations SET version = 99 WHERE name = 'open_orders'",
        "UPDATE projection_generations SET version = 99 WHERE name = 'executions'",
        "UPDATE projection_partitions SET position = position - 1 WHERE name = 'executions'",
        "UPDATE read.executions SET symbol = '' WHERE log_position = (SELECT max(log_position) FROM read.executions)",
        "DELETE FROM projection_generations WHERE name = 'open_orders'",
        "INSERT INTO projection_parked (name, generation, account_id, position, topic, error)"
        " SELECT name, generation, gen_random_uuid(), 1, 'x', 'x' FROM projection_generations",
    ],
)
def test_a_table_in_doubt_is_left_alone_and_the_log_is_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    floor = Floor(desk, 13)
    floor.live(60)
    project(desk.url)
    with connect(desk.url, application="test") as connection:
        connection.execute(spoil.encode())

    assert started(desk.url) is None
    assert told(built(desk.url)) == from_the_log(desk.url, monkeypatch)


def test_nobody_has_projected_yet(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(desk.url) is None
    Floor(desk, 1).live(30)
    assert told(built(desk.url)) == from_the_log(desk.url, monkeypatch)
