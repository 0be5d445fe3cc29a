"""Orders of many kinds around the prices of a day, at random but the same each time."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from application.answers import OrderAnswer
from domain.order import Order
from domain.terms import OrderType, Side, TimeInForce
from tests.executing.naive import MICRO, Resting
from tests.executing.parts import FRIDAY, MONDAY, Customers

ASK_AT_PLACING = 1_819_000  # what market and stop buys are covered by
SHARES_EACH = 10_000_000


def dollars(price: int) -> Decimal:
    return Decimal(price) / 10_000


def shares(quantity: int) -> Decimal:
    return Decimal(quantity) / MICRO


def place_at_random(
    customers: Customers, *, orders: int, seed: int, accounts: int = 6
) -> dict[UUID, Resting]:
    """Place orders for several accounts, some on Friday, most before Monday's open."""
    random = Random(seed)
    customers.clock.time = FRIDAY
    account_ids = [customers.account(shares=SHARES_EACH) for _ in range(accounts)]
    placed: dict[UUID, Resting] = {}
    futures = []
    for resting in _wishes(random, orders):
        order_id, future = customers.give(random.choice(account_ids), **_terms(resting))
        placed[order_id] = resting
        futures.append((resting, future))
        if customers.clock.time == FRIDAY and len(futures) > orders // 10:
            _take_ranks(futures)
            customers.clock.time = MONDAY
    _take_ranks(futures)
    return placed


def _take_ranks(futures: list[Any]) -> None:
    for resting, future in futures:
        answer = future.result(60)
        assert isinstance(answer, OrderAnswer)
        assert answer.status == "accepted", (answer.reason, answer.detail)
        resting.rank = answer.log_position
        resting.is_over = resting.time_in_force == "day" and answer.placed_at == FRIDAY


def _wishes(random: Random, orders: int) -> Iterator[Resting]:
    for _ in range(orders):
        kind = random.choices(
            ["near", "far", "best", "stop", "stop_limit", "market"], weights=[43, 15, 2, 18, 18, 4]
        )[0]
        order = Resting(
            rank=0,
            is_buy=random.random() < 0.5,
            leaves=_quantity(random),
            time_in_force=random.choices(["gtc", "day", "ioc", "fok"], weights=[70, 10, 8, 12])[0],
        )
        _set_prices(order, kind, random)
        yield order


def _quantity(random: Random) -> int:
    kind = random.choices(["round", "odd", "fraction", "large"], weights=[35, 25, 20, 20])[0]
    if kind == "fraction":
        return random.randint(1, 300 * MICRO)
    lot, most = {"round": (100, 8), "odd": (1, 700), "large": (500, 25)}[kind]
    return random.randint(1, most) * lot * MICRO


def _set_prices(order: Resting, kind: str, random: Random) -> None:
    if kind == "near":
        order.limit = random.randint(18_130, 18_350) * 100 + random.choice([0, 0, 0, 50, 1])
    if kind == "far":
        order.limit = random.randint(15_000, 18_100) * 100
        order.limit = order.limit if order.is_buy else 3_660_000 - order.limit
    if kind == "best":  # the best prices of the day, for more than was to be had there
        order.leaves = 1_000_000 * MICRO
        order.limit = 1_819_000 if order.is_buy else 1_833_000
    if kind.startswith("stop"):
        order.stop = (
            random.randint(18_190, 18_360) * 100 if order.is_buy else random.randint(18_140, 18_320) * 100
        )
    if kind == "stop_limit" and order.stop is not None:
        order.limit = order.stop + random.randint(-20, 30) * (100 if order.is_buy else -100)
    if order.is_buy and order.limit is None:
        order.cap = int(Decimal(max(ASK_AT_PLACING, order.stop or 0)) * Decimal("1.05"))


def _terms(order: Resting) -> dict[str, Any]:
    has = (order.limit is not None, order.stop is not None)
    kinds = {
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
        (False, False): OrderType.MARKET,
    }
    return {
        "side": Side.BUY if order.is_buy else Side.SELL,
        "type": kinds[has],
        "quantity": shares(order.leaves),
        "time_in_force": TimeInForce(order.time_in_force),
        "limit_price": None if order.limit is None else dollars(order.limit),
        "stop_price": None if order.stop is None else dollars(order.stop),
        "ask": dollars(ASK_AT_PLACING),
    }


def told(order: Order, executions: list[Order.Executed]) -> tuple[Any, ...]:
    """What became of an order, as the naive scan would say it: its fills, whether elected, its status."""
    fills = [(int(event.quantity * MICRO), int(event.price * 10_000)) for event in executions]
    return fills, order.triggered_at is not None, str(order.status)


def expected(order: Resting) -> tuple[Any, ...]:
    return order.fills, order.elected, order.status
