"""AAPL's 7-for-1 of 2014-06-09, replayed from the minutes around it through all real parts."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from msgspec import structs

from domain.order import Order
from domain.position import Position, position_id
from domain.terms import OrderType, Side
from infrastructure.settings import Settings
from infrastructure.wiring.scheduler import run_scheduler
from tests.bookkeeping.firm import Firm
from tests.executing.parts import (
    InThread,
    Log,
    SetClock,
    start_market,
    wait_for,
    wait_until_at_work,
    wait_until_worked_off,
)
from tests.ledger.books import Books
from tests.market.samples import lean

D = Decimal
THURSDAY = datetime(2014, 6, 5, 13, 0, tzinfo=UTC)
EX_DATE = date(2014, 6, 9)
EX_MOMENT = datetime(2014, 6, 9, 4, 0, tzinfo=UTC)  # midnight in New York
FIRST_QUOTES = datetime(2014, 6, 9, 13, 30, tzinfo=UTC)


@pytest.fixture
def scheduling(on_market_time: Settings) -> Iterator[InThread]:
    def work(stop: threading.Event) -> None:
        run_scheduler(on_market_time, stop)

    running = InThread(work, name="a scheduler")
    yield running
    running.end()


def replay(settings: Settings, execute: Callable[[], InThread]) -> Log:
    """Thursday, Friday and the Monday of the split, as fast as they go."""
    settings = structs.replace(
        settings,
        market_source="replay",
        market_path=(str(lean("minute/aapl")),),
        market_speed="max",
        market_exit_at_end=True,
    )
    executor = execute()
    wait_until_at_work(settings, executor)
    start_market(settings).join(within=60)
    wait_until_worked_off(settings, executor)
    return Log.read(settings)


@pytest.mark.usefixtures("scheduling")
def test_the_split_leaves_value_and_basis_and_lets_no_order_meet_the_wrong_price(
    on_market_time: Settings, firm: Firm, clock: SetClock, execute: Callable[[], InThread]
) -> None:
    lean("minute/aapl")
    clock.time = THURSDAY
    account = firm.account("10000000.00")
    firm.trade(account, "40", price="640", symbol="AAPL")
    firm.trade(account, "60", price="645.57", symbol="AAPL")
    orders = place_orders(firm, account)
    firm.split((7, 1), ex=EX_DATE, today=THURSDAY.date(), symbol="AAPL")
    wait_for(lambda: firm.settings and is_kept(on_market_time), "somebody keeps the books")

    log = replay(on_market_time, execute)

    before, after = as_of_the_split(log, account)
    assert after.lots == [
        structs.replace(lot, quantity=7 * lot.quantity) for lot in before.lots
    ]  # same ids, days and costs
    assert (after.cost, after.realised) == (before.cost, before.realised) == (D("64334.20"), D("0.00"))
    assert after.quantity * D("92.22428571428571428571428571") == pytest.approx(
        before.quantity * D("645.57"), abs=D("0.01")
    )
    require_the_books_opened_first(log)
    require_orders_adjusted(log, orders)
    Books.of(row.event() for row in log.rows)


def place_orders(firm: Firm, account: UUID) -> dict[str, UUID]:
    """Orders that a price seven times too low, or too high, would fill or elect."""
    aapl = {"symbol": "AAPL"}
    wanted = {
        "buys far below": {"quantity": D(10), "limit_price": D("602.00")},
        "buys just below": {"quantity": D(10), "limit_price": D("642.80")},
        "sells far above": {"quantity": D(20), "limit_price": D("700.00"), "side": Side.SELL},
        "stops far below": {
            "quantity": D(30),
            "stop_price": D("560.00"),
            "type": OrderType.STOP,
            "side": Side.SELL,
        },
    }
    return {name: firm.customers.place(account, **aapl, **terms).order_id for name, terms in wanted.items()}


def as_of_the_split(log: Log, account: UUID) -> tuple[Position, Position]:
    """The position just before the split, and just after it."""
    rows = [row for row in log.rows if row.originator_id == position_id(account, "AAPL")]
    number = next(n for n, row in enumerate(rows) if row.topic == "Position.Split")
    found = []
    for some in (rows[:number], rows[: number + 1]):
        position = Position(id=rows[0].originator_id, account_id=account)
        for row in some:
            position.evolve(row.event())
        found.append(position)
    return found[0], found[1]


def require_the_books_opened_first(log: Log) -> None:
    """The split is recorded as its day begins, before anything that Monday's quotes did."""
    [split] = [row for row in log.rows if row.topic == "Position.Split"]
    of_monday = [e for e in log.all_executions() if e.recorded_at >= FIRST_QUOTES]
    assert EX_MOMENT <= split.recorded_at <= FIRST_QUOTES
    assert of_monday
    positions = {row.event(): row.log_position for row in log.rows if row.topic == "Order.Executed"}
    assert all(positions[event] > split.log_position for event in of_monday)
    assert not [e for e in of_monday if e.price > 100]


def require_orders_adjusted(log: Log, orders: dict[str, UUID]) -> None:
    found = {name: log.order(order_id) for name, order_id in orders.items()}
    assert terms_of(found["buys far below"]) == (D(70), D("86.0000"), None)
    assert terms_of(found["buys just below"]) == (D(70), D("91.8285"), None)
    assert terms_of(found["sells far above"]) == (D(140), D("100.0000"), None)
    assert terms_of(found["stops far below"]) == (D(210), None, D("80.0000"))
    assert {name: order.status for name, order in found.items()} == {
        "buys far below": "accepted",
        "buys just below": "filled",
        "sells far above": "accepted",
        "stops far below": "accepted",
    }
    assert found["stops far below"].triggered_at is None


def terms_of(order: Order) -> tuple[Decimal, Decimal | None, Decimal | None]:
    assert order.terms is not None
    return order.terms.quantity, order.terms.limit_price, order.terms.stop_price


def is_kept(settings: Settings) -> bool:
    import redis

    with redis.Redis.from_url(settings.redis_url or "") as client:
        return bool(client.exists("books:keeper"))
