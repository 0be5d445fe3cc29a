"""What the tests of the executor share: the real parts running in threads, customers, and a market by hand."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import redis
from msgspec import Struct

from application import commands as c
from application.answers import Answer, OrderAnswer
from application.brokerage import fold
from application.requests import Request
from domain.account import Account
from domain.aggregate import Aggregate
from domain.order import Order
from domain.position import Position, position_id
from domain.quotes import ClockReading, Quote, Session, Tick
from domain.terms import OrderType, Side, TimeInForce
from domain.trade import total
from infrastructure.eventstore.committer import Committer
from infrastructure.eventstore.log import Recorded, read_after
from infrastructure.market.runner import open_runner
from infrastructure.postgres.connections import connect
from infrastructure.redis.quotes import QuotePublisher
from infrastructure.redis.wakeups import Announcer
from infrastructure.settings import Settings
from infrastructure.wiring.executor import executor

FRIDAY = datetime(2013, 10, 4, 19, 0, tzinfo=UTC)  # an hour before the close
MONDAY = datetime(2013, 10, 7, 12, 0, tzinfo=UTC)  # an hour and a half before the open
NOON = datetime(2013, 10, 7, 16, 0, tzinfo=UTC)
OPEN = Session(
    is_open=True,
    previous_close=datetime(2013, 10, 4, 20, 0, tzinfo=UTC),
    closes_at=datetime(2013, 10, 7, 20, 0, tzinfo=UTC),
)
VENUE_OF_GIFTS = "elsewhere"
CASH = Decimal("5000000000.00")


class Waiting(AssertionError):
    """What was waited for did not happen in time."""


def wait_for(happened: Callable[[], Any], what: str, *, within: float = 60.0) -> Any:
    """Whatever `happened` gives, once it is true."""
    give_up = time.monotonic() + within
    while not (found := happened()):
        if time.monotonic() > give_up:
            raise Waiting(f"{what}: not within {within} s")
        time.sleep(0.005)
    return found


class InThread:
    """Something that runs until its `stop` is set. What ended it early is kept in `error`."""

    def __init__(self, work: Callable[[threading.Event], object], *, name: str) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work(self.stop)
        except Exception as error:  # noqa: BLE001  it is the test that judges
            self.error = error

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def end(self, *, within: float = 60.0) -> None:
        """Ask it to end, and raise what it died of."""
        self.stop.set()
        self.join(within=within)

    def join(self, *, within: float) -> None:
        self._thread.join(timeout=within)
        assert not self._thread.is_alive(), f"{self._thread.name} does not end"
        if self.error is not None:
            raise self.error


def start_executor(settings: Settings) -> InThread:
    return InThread(executor(settings).run, name="an executor")


def start_market(settings: Settings) -> InThread:
    return InThread(lambda stop: open_runner(settings, stop).run(), name="a market")


def is_worked_off(redis_url: str) -> bool:
    """Whether the executor says that it has worked off the last tick."""
    with redis.Redis.from_url(redis_url) as client:
        last, progress = client.mget("market:tick", "executor:progress")
    return last is not None and progress is not None and json.loads(last) == json.loads(progress)


def is_at_work(redis_url: str) -> bool:
    """Whether an executor says how far it is."""
    with redis.Redis.from_url(redis_url) as client:
        return client.exists("executor:progress") == 1


def wait_until_worked_off(settings: Settings, running: InThread, *, within: float = 60.0) -> None:
    _wait_while_running(
        running, lambda: is_worked_off(settings.redis_url or ""), "the last tick is worked off", within
    )


def wait_until_at_work(settings: Settings, running: InThread, *, within: float = 60.0) -> None:
    """Wait until the executor has read the log and the quotes, and listens to the market."""
    _wait_while_running(running, lambda: is_at_work(settings.redis_url or ""), "an executor works", within)


def _wait_while_running(running: InThread, happened: Callable[[], bool], what: str, within: float) -> None:
    def done() -> bool:
        if running.error is not None:
            raise running.error
        return happened()

    wait_for(done, what, within=within)


class SetClock:
    """A clock that says what it is told to say."""

    def __init__(self, time: datetime = MONDAY) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time


class Customers:
    """Opens accounts and gives orders, through a committer of its own."""

    def __init__(self, settings: Settings, clock: SetClock, *, wakes_others: bool = True) -> None:
        self.clock = clock
        self.announcer = Announcer(settings.redis_url or "")
        self.committer = Committer(
            settings.database_url or "",
            clock=clock,
            on_commit=self.announcer.appended if wakes_others else None,
        ).start()

    def close(self) -> None:
        self.committer.stop()
        self.announcer.close()

    def submit(self, command: c.Command) -> "Future[Answer]":
        return self.committer.submit(Request.by_role("customer", command))

    def account(self, *, shares: int = 0) -> UUID:
        """An account with cash and, bought elsewhere, shares of IBM."""
        account_id = uuid4()
        self.submit(c.OpenAccount(account_id=account_id, owner_id=uuid4()))
        self.submit(c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=CASH)).result(60)
        if shares:
            bought = self.place(account_id, quantity=Decimal(shares), limit_price=Decimal(100))
            self.submit(
                c.ExecuteOrder(
                    account_id=account_id,
                    order_id=bought.order_id,
                    symbol="IBM",
                    execution_id=uuid4(),
                    quantity=Decimal(shares),
                    price=Decimal(100),
                    venue=VENUE_OF_GIFTS,
                    quote=0,
                )
            ).result(60)
        return account_id

    def give(self, account_id: UUID, **terms: Any) -> tuple[UUID, "Future[Answer]"]:
        """Give an order, by default to buy a share of IBM at 182 at most, without waiting for the answer."""
        usual = {
            "symbol": "IBM",
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "quantity": Decimal(1),
            "time_in_force": TimeInForce.GTC,
        }
        if terms.get("type", OrderType.LIMIT) == OrderType.LIMIT:
            usual["limit_price"] = Decimal(182)
        order_id = uuid4()
        command = c.PlaceOrder(account_id=account_id, order_id=order_id, **{**usual, **terms})
        return order_id, self.submit(command)

    def place(self, account_id: UUID, **terms: Any) -> OrderAnswer:
        _, future = self.give(account_id, **terms)
        answer = future.result(60)
        assert isinstance(answer, OrderAnswer)
        assert answer.status == "accepted", answer.detail
        return answer


class HandMarket:
    """Publishes the quotes that a test wants, one a tick unless several are given."""

    def __init__(self, redis_url: str) -> None:
        self._publisher = QuotePublisher(redis_url)
        self._run = uuid4().hex
        self._number = 0
        self.sequence = 1000

    def close(self) -> None:
        self._publisher.close()

    def says(self, *prices: tuple[str, str], size: int = 100, last: str = "182.00") -> None:
        """Publish a tick of quotes, each a bid and an ask."""
        quotes = [self._quote(bid, ask, size=size, last=last) for bid, ask in prices]
        self._number += 1
        tick = Tick(run=self._run, number=self._number, at=NOON, session=OPEN, quotes=quotes)
        reading = ClockReading(
            at=NOON, wall=datetime.now(UTC), speed=0.0, until=NOON, session=OPEN, source="hand"
        )
        self._publisher.publish(tick, reading)

    def _quote(self, bid: str, ask: str, *, size: int, last: str) -> Quote:
        self.sequence += 1
        return Quote(
            symbol="IBM",
            bid=Decimal(bid),
            ask=Decimal(ask),
            bid_size=size,
            ask_size=size,
            last=Decimal(last),
            volume=1,
            at=NOON,
            sequence=self.sequence,
        )


class Log(Struct):
    """All that the log says, folded."""

    rows: list[Recorded]
    aggregates: dict[UUID, Aggregate]
    executions: dict[UUID, list[Order.Executed]]  # by order, those of our own venue

    @classmethod
    def read(cls, settings: Settings, *, after: int = 0, up_to: int | None = None) -> "Log":
        """The log, or its part after one position and up to another."""
        with connect(settings.database_url or "", application="test") as connection:
            rows = read_after(connection, after, limit=10_000_000)
        rows = [row for row in rows if up_to is None or row.log_position <= up_to]
        aggregates: dict[UUID, Aggregate] = {}
        executions: dict[UUID, list[Order.Executed]] = defaultdict(list)
        for row in rows:
            event = row.event()
            if not after:
                aggregates[row.originator_id] = fold(aggregates.get(row.originator_id), (event,))
            if isinstance(event, Order.Executed) and event.venue != VENUE_OF_GIFTS:
                executions[event.originator_id].append(event)
        return cls(rows=rows, aggregates=aggregates, executions=executions)

    @property
    def end(self) -> int:
        return self.rows[-1].log_position if self.rows else 0

    def order(self, order_id: UUID) -> Order:
        found = self.aggregates[order_id]
        assert isinstance(found, Order)
        return found

    def account(self, account_id: UUID) -> Account:
        found = self.aggregates[account_id]
        assert isinstance(found, Account)
        return found

    def of_kind(self, kind: type[Any]) -> Iterable[Any]:
        return [each for each in self.aggregates.values() if isinstance(each, kind)]

    def all_executions(self) -> list[Order.Executed]:
        return [event for events in self.executions.values() for event in events]


def count_of(settings: Settings, topic: str) -> int:
    with connect(settings.database_url or "", application="test") as connection:
        found = connection.execute("SELECT count(*) FROM stored_events WHERE topic = %s", (topic,)).fetchone()
    return 0 if found is None else int(found[0])


def filled(settings: Settings, order_id: UUID) -> Decimal:
    """How much of an order is filled by now."""
    with connect(settings.database_url or "", application="test") as connection:
        rows = connection.execute(
            "SELECT state FROM stored_events WHERE originator_id = %s AND topic = 'Order.Executed'",
            (order_id,),
        ).fetchall()
    return sum((Decimal(msgspec.json.decode(row[0])["quantity"]) for row in rows), Decimal(0))


def require_consistent_books(log: Log) -> None:
    """Nothing doubled, nothing overfilled, and cash and shares follow from the fills, holds from open orders."""
    ids = [event.execution_id for event in log.all_executions()]
    assert len(ids) == len(set(ids))
    for account in log.of_kind(Account):
        orders = [order for order in log.of_kind(Order) if order.account_id == account.id]
        assert all(order.filled <= order.terms.quantity for order in orders)
        spent = sum((order.spent if order.terms.is_buy else -order.spent for order in orders), Decimal(0))
        spent += sum((total(tuple(order.charged.values())) for order in orders), Decimal(0))
        owned = sum((order.filled if order.terms.is_buy else -order.filled for order in orders), Decimal(0))
        assert account.cash == _deposits(log, account.id) - spent
        assert account.shares.get("IBM", Decimal(0)) == owned
        assert account.held == sum((order.cover for order in orders), Decimal(0))
        position = log.aggregates.get(position_id(account.id, "IBM"))
        if isinstance(position, Position):
            left = [order.leaves for order in orders if not order.terms.is_buy]
            assert position.quantity == owned == sum((lot.quantity for lot in position.lots), Decimal(0))
            assert position.reserved == sum(left, Decimal(0))


def _deposits(log: Log, account_id: UUID) -> Decimal:
    rows = [row for row in log.rows if row.originator_id == account_id and row.topic == "Account.Deposited"]
    return sum((Decimal(msgspec.json.decode(row.state)["amount"]) for row in rows), Decimal(0))
