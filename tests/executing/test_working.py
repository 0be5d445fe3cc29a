"""An executor at work: woken by the log, one of several, in a race with its customers, over a forgetful Redis."""

import random
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from msgspec import structs

from application import commands as c
from domain.account import Account
from domain.errors import OrderMustBeOpen
from domain.position import Position
from domain.terms import OrderType, Side
from infrastructure.executing import executor as executing
from infrastructure.executing.executor import LeaseWasLost
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from tests.executing.naive import rows_of, scan
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

AT_182 = ("181.98", "182.00")
BEYOND = ("190.00", "191.00")  # a quote that fills none of the buys


def market_buy(**changes: Any) -> dict[str, Any]:
    return {"type": OrderType.MARKET, "quantity": Decimal(5), "ask": Decimal(182), **changes}


def test_a_new_order_is_filled_on_the_current_quote_because_the_log_wakes_the_executor(
    on_market_time: Settings,
    customers: Customers,
    market: HandMarket,
    execute: Callable[[], InThread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buyer = customers.account()
    executor = execute()
    wait_until_at_work(on_market_time, executor)
    monkeypatch.setattr(executing, "POLL_S", 5)  # so that no poll can do the work of a wake-up
    market.says(AT_182)
    wait_until_worked_off(on_market_time, executor)

    took = []
    for _ in range(10):
        began = time.monotonic()
        order = customers.place(buyer, **market_buy())
        wait_for(lambda id=order.order_id: filled(on_market_time, id) == 5, "the order is filled")
        took.append(time.monotonic() - began)
    executor.stop.set()
    market.says(BEYOND)

    print(f"order to execution: median {1000 * median(took):.0f} ms")  # noqa: T201
    assert median(took) < 0.5
    assert {event.quote for event in Log.read(on_market_time).all_executions()} == {market.sequence - 1}


def test_a_new_order_is_filled_without_any_wake_up_also_while_ticks_keep_coming(
    on_market_time: Settings, market: HandMarket, execute: Callable[[], InThread], clock: Any
) -> None:
    quiet = Customers(on_market_time, clock, wakes_others=False)
    buyer = quiet.account()
    executor = execute()
    wait_until_at_work(on_market_time, executor)
    ticks = InThread(lambda stop: every(0.02, lambda: market.says(AT_182), stop), name="ticks")

    order = quiet.place(buyer, **market_buy())

    wait_for(lambda: filled(on_market_time, order.order_id) == 5, "the order is filled")
    ticks.end()
    quiet.close()


def test_a_market_that_begins_with_a_burst_of_ticks_has_every_one_of_them_met(
    on_market_time: Settings,
    customers: Customers,
    market: HandMarket,
    execute: Callable[[], InThread],
) -> None:
    order = customers.place(customers.account(), quantity=Decimal(5000))
    executor = execute()
    wait_until_at_work(on_market_time, executor)

    for _ in range(30):
        market.says(AT_182, size=100)
    wait_until_worked_off(on_market_time, executor)

    quotes = [event.quote for event in Log.read(on_market_time).executions[order.order_id]]
    assert quotes == list(range(1001, 1031))


def test_what_another_has_executed_of_an_order_is_not_executed_again(
    on_market_time: Settings,
    customers: Customers,
    market: HandMarket,
    execute: Callable[[], InThread],
) -> None:
    order = customers.place(customers.account(), quantity=Decimal(100))
    executor = execute()
    market.says(BEYOND)
    wait_until_worked_off(on_market_time, executor)
    customers.submit(
        c.ExecuteOrder(
            account_id=order.account_id,
            order_id=order.order_id,
            symbol="IBM",
            execution_id=uuid4(),
            quantity=Decimal(60),
            price=Decimal(181),
            venue="another",
            quote=1,
        )
    ).result(60)
    time.sleep(3 * executing.POLL_S)  # the executor has seen it by then

    market.says(AT_182, size=1000)

    wait_for(lambda: filled(on_market_time, order.order_id) == 100, "the rest is filled on one quote")
    require_consistent_books(Log.read(on_market_time))


def test_of_two_executors_one_works_and_the_other_takes_over_when_its_lease_goes(
    on_market_time: Settings,
    customers: Customers,
    market: HandMarket,
    execute: Callable[[], InThread],
    servers: Any,
) -> None:
    buyers = [customers.account() for _ in range(5)]
    placed = [customers.place(buyers[n % 5], quantity=Decimal(100)).order_id for n in range(50)]
    first = execute()
    wait_until_at_work(on_market_time, first)
    second = execute()
    ticks = InThread(lambda stop: every(0.01, lambda: market.says(AT_182, size=17), stop), name="ticks")

    wait_for(lambda: count_of(on_market_time, "Order.Executed") > 20, "the first works")
    at_work = working_executors(on_market_time)
    end_leases(servers, on_market_time)
    wait_for(lambda: not first.is_alive, "the first gives up")
    lost, first.error = first.error, None
    wait_until_all_filled(on_market_time, placed)
    ticks.end()

    assert at_work == 1
    assert isinstance(lost, LeaseWasLost)
    assert second.is_alive
    assert working_executors(on_market_time) == 1
    log = Log.read(on_market_time)
    assert {log.order(id).filled for id in placed} == {Decimal(100)}
    require_consistent_books(log)


def test_customers_who_cancel_in_a_race_with_fills_end_with_the_cash_and_shares_of_what_was_filled(
    on_market_time: Settings,
    customers: Customers,
    market: HandMarket,
    execute: Callable[[], InThread],
) -> None:
    accounts = [customers.account(shares=1000) for _ in range(10)]
    orders = [
        customers.place(
            accounts[n % 10],
            quantity=Decimal(10),
            side=Side.SELL if n % 3 == 0 else Side.BUY,
            limit_price=Decimal("181.98" if n % 3 == 0 else "182.00"),
        )
        for n in range(400)
    ]
    executor = execute()
    wait_until_at_work(on_market_time, executor)

    random.Random(1).shuffle(orders)
    refusals = []
    for start in range(0, len(orders), 10):
        market.says(AT_182, size=37)
        refusals += [
            customers.submit(c.CancelOrder(account_id=o.account_id, order_id=o.order_id, symbol="IBM"))
            for o in orders[start : start + 10]
        ]
        time.sleep(0.002)
    refused = [error for future in refusals if (error := future.exception(60)) is not None]
    wait_until_worked_off(on_market_time, executor)

    log = Log.read(on_market_time)
    ours = [log.order(order.order_id) for order in orders]
    assert {str(order.status) for order in ours} == {"filled", "cancelled"}
    assert all(isinstance(error, OrderMustBeOpen) for error in refused)
    assert len(refused) == sum(order.status == "filled" for order in ours)
    assert all(account.held == 0 and not account.holds for account in log.of_kind(Account))
    assert all(position.reserved == 0 for position in log.of_kind(Position))
    require_consistent_books(log)


def test_a_redis_that_forgets_everything_in_mid_run_changes_no_fill(
    on_market_time: Settings, customers: Customers, execute: Callable[[], InThread]
) -> None:
    folder = lean("tick/ibm")
    settings = structs.replace(
        on_market_time,
        market_source="replay",
        market_path=(str(folder),),
        market_speed="max",
        market_exit_at_end=True,
    )
    orders = place_at_random(customers, orders=150, seed=8)
    executor = execute()
    wait_until_at_work(settings, executor)

    market = start_market(settings)
    wait_for(lambda: count_of(settings, "Order.Executed") > 100, "100 executions")
    for _ in range(3):
        with redis.Redis.from_url(settings.redis_url or "") as client:
            client.flushall()
        time.sleep(0.1)
    in_mid_run = market.is_alive
    market.join(within=60)
    wait_until_worked_off(settings, executor)

    log = Log.read(settings)
    scan(rows_of(folder), orders.values())
    assert in_mid_run
    assert {id: told(log.order(id), log.executions[id]) for id in orders} == {
        id: expected(order) for id, order in orders.items()
    }
    require_consistent_books(log)


def every(seconds: float, work: Callable[[], object], stop: threading.Event) -> None:
    while not stop.wait(seconds):
        work()


def working_executors(settings: Settings) -> int:
    """How many executors are past their lease and read the log."""
    with connect(settings.database_url or "", application="test") as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'daybook executor' AND datname = current_database()"
        ).fetchone()
    return 0 if found is None else int(found[0])


def end_leases(servers: Any, settings: Settings) -> None:
    database = (settings.database_url or "").rpartition("/")[2].partition("?")[0]
    url = servers.postgres.url(user="postgres", database="postgres")
    with connect(url, application="cutter") as cutter:
        cutter.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'daybook lease executor' AND datname = %s",
            (database,),
        )


def wait_until_all_filled(settings: Settings, order_ids: list[UUID]) -> None:
    def done() -> bool:
        with connect(settings.database_url or "", application="test") as connection:
            found = connection.execute(
                "SELECT count(*) FROM stored_events WHERE topic = 'Order.Executed'"
                ' AND originator_id = ANY(%s) AND state LIKE \'%%"leaves_quantity":"0.000000"%%\'',
                (order_ids,),
            ).fetchone()
        return found is not None and found[0] == len(order_ids)

    wait_for(done, "all orders are filled")
