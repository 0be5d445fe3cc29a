"""An executor that ends in mid-replay, and the next one: nothing is lost for good, nothing is done twice."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

import pytest
import redis
from msgspec import structs

from domain.terms import Side
from infrastructure.eventstore.log import LOG_LOCK
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from infrastructure.wiring.projector import projector
from tests.executing.naive import MICRO, Resting, Row, rows_of, scan
from tests.executing.parts import (
    Customers,
    HandMarket,
    InThread,
    Log,
    count_of,
    filled,
    require_consistent_books,
    start_market,
    wait_for,
    wait_until_at_work,
    wait_until_worked_off,
)
from tests.executing.wishes import expected, place_at_random, told
from tests.market.samples import lean

AN_EXECUTOR = (
    "import threading; from infrastructure.settings import Settings; from infrastructure.wiring.executor import executor;"
    " executor(Settings.from_environment()).run(threading.Event())"
)


def test_after_a_killed_executor_the_next_goes_on_from_the_log_as_a_naive_scan_does(
    on_market_time: Settings, customers: Customers, execute: Callable[[], InThread]
) -> None:
    settings = replaying(on_market_time)
    orders = place_at_random(customers, orders=200, seed=5)
    rows = rows_of(lean("tick/ibm"))

    with executor_process(settings) as process:
        wait_for(lambda: progress_is_said(settings), "the first executor works")
        market = start_market(settings)
        wait_for(lambda: count_of(settings, "Order.Executed") > 300, "300 executions")
        process.kill()
    sequence = wait_until_the_market_stands(settings)
    before = Log.read(settings)
    taken = take_up(orders, before, sequence)
    second = execute()
    market.join(within=60)
    wait_until_worked_off(settings, second)

    log = Log.read(settings)
    after = Log.read(settings, after=before.end)
    scan((row for row in rows if row[0] >= sequence), orders.values(), taken=taken)
    assert {id: told(log.order(id), after.executions[id]) for id in orders} == {
        id: expected(order) for id, order in orders.items()
    }
    assert len(after.all_executions()) > 100
    require_consistent_books(log)
    require_no_quote_oversold(log, rows)


@pytest.fixture(params=[False, True], ids=["from the log", "from the read tables"])
def projected(request: pytest.FixtureRequest, on_market_time: Settings) -> Iterator[None]:
    """Once without read tables, once with a projector that keeps them."""
    if not request.param:
        yield
        return
    running = projector(on_market_time).start()
    yield
    running.stop()


@pytest.mark.usefixtures("projected")
def test_executors_that_stop_and_start_again_double_nothing(
    on_market_time: Settings, customers: Customers, execute: Callable[[], InThread]
) -> None:
    settings = replaying(on_market_time)
    place_at_random(customers, orders=150, seed=6)
    rows = rows_of(lean("tick/ibm"))

    executor = execute()
    wait_until_at_work(settings, executor)
    market = start_market(settings)
    while market.is_alive:
        time.sleep(0.3)
        executor.end()
        executor = execute()
    market.join(within=60)
    wait_until_worked_off(settings, executor)

    log = Log.read(settings)
    assert len(log.all_executions()) > 100
    require_consistent_books(log)
    require_no_quote_oversold(log, rows)


@pytest.mark.usefixtures("projected")
def test_what_was_taken_of_the_current_quote_stays_taken_after_a_restart(
    on_market_time: Settings,
    customers: Customers,
    market: HandMarket,
    execute: Callable[[], InThread],
) -> None:
    buyer = customers.account(shares=1000)
    first = customers.place(buyer, quantity=Decimal(60))
    before = execute()
    market.says(("181.98", "182.00"), size=100)
    wait_until_worked_off(on_market_time, before)
    before.end()

    second = customers.place(buyer, quantity=Decimal(100))
    sale = customers.place(buyer, quantity=Decimal(100), side=Side.SELL, limit_price=Decimal("181.98"))
    execute()
    wait_for(lambda: filled(on_market_time, second.order_id), "the rest of the quote is taken")
    wait_for(lambda: filled(on_market_time, sale.order_id), "the other side is taken")

    time.sleep(0.3)  # time enough for whatever must not happen
    assert filled(on_market_time, first.order_id) == 60
    assert filled(on_market_time, second.order_id) == 40
    assert filled(on_market_time, sale.order_id) == 100


def replaying(settings: Settings) -> Settings:
    return structs.replace(
        settings,
        market_source="replay",
        market_path=(str(lean("tick/ibm")),),
        market_speed="max",
        market_exit_at_end=True,
    )


@contextmanager
def executor_process(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """An executor that can be killed. It is dead at the end."""
    environment = {**os.environ, **settings.as_environment()}
    with subprocess.Popen(
        [sys.executable, "-c", AN_EXECUTOR], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def progress_is_said(settings: Settings) -> bool:
    with redis.Redis.from_url(settings.redis_url or "") as client:
        return client.exists("executor:progress") == 1


def wait_until_the_market_stands(settings: Settings) -> int:
    """The sequence of the quote at which the market waits for its executor, once the log is at rest too."""
    with redis.Redis.from_url(settings.redis_url or "", decode_responses=True) as client:
        client.persist("executor:progress")  # so that the market does not give up waiting
        seen = ""
        while (found := client.hget("quote:IBM", "sequence") or "") != seen:
            seen = str(found)
            time.sleep(0.25)
    with connect(settings.database_url or "", application="test") as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
    return int(seen)


def take_up(orders: dict[UUID, Resting], log: Log, sequence: int) -> tuple[int, int]:
    """Bring the naive orders to where the log has them; what buys and sells have had of the quote."""
    for order_id, resting in orders.items():
        order = log.order(order_id)
        resting.leaves = int(order.leaves * MICRO)
        resting.elected = order.triggered_at is not None
        resting.status = str(order.status)
    taken = {True: 0, False: 0}
    for event in log.all_executions():
        if event.quote == sequence:
            taken[orders[event.originator_id].is_buy] += int(event.quantity * MICRO)
    return taken[True], taken[False]


def require_no_quote_oversold(log: Log, rows: list[Row]) -> None:
    shown = {row[0]: {Side.BUY: row[5], Side.SELL: row[3]} for row in rows}
    taken: dict[tuple[int, Side], Decimal] = defaultdict(Decimal)
    for event in log.all_executions():
        terms = log.order(event.originator_id).terms
        assert terms is not None
        taken[event.quote, terms.side] += event.quantity
    assert [(quote, side) for (quote, side), quantity in taken.items() if quantity > shown[quote][side]] == []
