"""A whole day of IBM through all real parts, against a naive scan of the same two files."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from uuid import UUID

from msgspec import structs

from domain.account import Account
from infrastructure.settings import Settings
from tests.executing.naive import Resting, rows_of, scan
from tests.executing.parts import (
    CASH,
    MONDAY,
    Customers,
    InThread,
    Log,
    require_consistent_books,
    start_market,
    wait_until_at_work,
    wait_until_worked_off,
)
from tests.executing.wishes import dollars, expected, place_at_random, shares, told
from tests.market.samples import lean

AT_MOST_S = 30


def test_a_day_of_ibm_fills_elects_and_ends_every_order_exactly_as_a_naive_scan_says(
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
    orders = place_at_random(customers, orders=300, seed=4)

    began = time.monotonic()
    executor = execute()
    wait_until_at_work(settings, executor)
    start_market(settings).join(within=AT_MOST_S)
    wait_until_worked_off(settings, executor)
    seconds = time.monotonic() - began

    log = Log.read(settings)
    rows = rows_of(folder)
    scan(rows, orders.values())
    print(f"{seconds:.1f} s, {len(rows) / seconds:.0f} quotes/s, {len(log.all_executions())} fills")  # noqa: T201
    assert {id: told(log.order(id), log.executions[id]) for id in orders} == {
        id: expected(order) for id, order in orders.items()
    }
    require_every_kind_of_outcome(orders)
    require_same_cash(log, orders)
    require_consistent_books(log)
    require_times_of_the_market(log)
    assert seconds < AT_MOST_S


def require_every_kind_of_outcome(orders: dict[UUID, Resting]) -> None:
    """A comparison of orders to which nothing happens would prove nothing."""
    every = orders.values()
    assert {order.status for order in every} == {"accepted", "partially_filled", "filled", "cancelled"}
    assert sum(len(order.fills) for order in every) > 500
    assert sum(order.elected for order in every) > 30
    assert sum(len(order.fills) > 3 for order in every) > 20
    assert sum(order.is_over for order in every) > 0
    assert any(order.status == "filled" and order.time_in_force == "fok" for order in every)
    assert any(order.status == "cancelled" and order.elected for order in every)
    assert any(order.status == "cancelled" and order.fills for order in every)


def require_same_cash(log: Log, orders: dict[UUID, Resting]) -> None:
    """What all accounts have paid and got for the fills is what the naive fills come to, to the cent, less fees."""
    cents = Decimal("0.01")
    total = Decimal(0)
    for order in orders.values():
        notional = sum((shares(quantity) * dollars(price) for quantity, price in order.fills), Decimal(0))
        total += (
            notional.quantize(cents, ROUND_CEILING)
            if order.is_buy
            else fees_of_a_sale(order.fills) - notional.quantize(cents, ROUND_FLOOR)
        )
    gifts = [order for order in log.aggregates.values() if getattr(order, "executions", None)]
    paid_before = sum((o.spent for o in gifts if o.id not in orders), Decimal(0))
    cash = sum((account.cash for account in log.of_kind(Account)), Decimal(0))
    assert cash == CASH * len(list(log.of_kind(Account))) - paid_before - total


def fees_of_a_sale(fills: list[tuple[int, int]]) -> Decimal:
    """The rates of October 2013: 17.40 a million dollars, and 0.000119 a share but at most 5.95 a fill."""
    of_money = sum((shares(quantity) * dollars(price) for quantity, price in fills), Decimal(0))
    of_shares = [min(shares(quantity) * Decimal("0.000119"), Decimal("5.95")) for quantity, _ in fills]
    exact = of_money * Decimal("0.00001740"), sum(of_shares, Decimal(0))
    return sum((fee.quantize(Decimal("0.01"), ROUND_CEILING) for fee in exact), Decimal(0))


def require_times_of_the_market(log: Log) -> None:
    """Facts are stamped with the market's time, which a role reads every 50 ms: at this speed it lags."""
    times = [row.recorded_at for row in log.rows if row.topic == "Order.Executed"]
    assert times == sorted(times)
    times = [event.recorded_at for event in log.all_executions()]
    assert MONDAY <= min(times) < max(times) <= datetime(2013, 10, 7, 20, 0, tzinfo=UTC)
