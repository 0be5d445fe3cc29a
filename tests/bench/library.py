"""A straightforward application of the `eventsourcing` library, as its tutorial would write it."""

import threading
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

THREADS = 8


class Account(Aggregate):
    """Cash, and cash held for orders."""

    @event("Opened")
    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.held = Decimal("0.00")
        self.holds: dict[UUID, Decimal] = {}

    @event("FundsHeld")
    def hold(self, order_id: UUID, amount: Decimal) -> None:
        """Promise cash to an order."""
        if self.cash - self.held < amount:
            raise ValueError("available cash must cover order")
        self.held += amount
        self.holds[order_id] = amount


class Order(Aggregate):
    """What a customer asked for."""

    @event("Placed")
    def __init__(self, account_id: UUID, symbol: str, quantity: Decimal, limit_price: Decimal) -> None:
        self.account_id = account_id
        self.symbol = symbol
        self.quantity = quantity
        self.limit_price = limit_price


class Brokerage(Application[UUID]):
    """Accounts and orders."""

    def open_account(self, cash: Decimal) -> UUID:
        """A new account with cash."""
        account = Account(cash)
        self.save(account)
        return account.id

    def place_order(self, account_id: UUID, symbol: str, quantity: Decimal, limit_price: Decimal) -> UUID:
        """Hold the money and place the order, in one save."""
        account: Account = self.repository.get(account_id)
        order = Order(account_id, symbol, quantity, limit_price)
        account.hold(order.id, quantity * limit_price)
        self.save(account, order)
        return order.id


def rate(owner_url: str, *, accounts: int, seconds: float) -> float:
    """Orders a second, in this process. Every thread has accounts of its own, so that no two saves conflict."""
    app = Brokerage(env=_environment(owner_url))
    ids = [app.open_account(Decimal("100000000.00")) for _ in range(accounts)]
    done = [0] * THREADS
    until = time.monotonic() + 0.5 + seconds
    threads = [
        threading.Thread(target=_place, args=(app, ids[number::THREADS], until, seconds, done, number))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    app.close()
    return sum(done) / seconds


def _place(app: Any, ids: list[UUID], until: float, seconds: float, done: list[int], number: int) -> None:
    turn = 0
    while (now := time.monotonic()) < until:
        app.place_order(ids[turn % len(ids)], "AKA", Decimal(10), Decimal("10.00"))
        turn += 1
        done[number] += now >= until - seconds


def _environment(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts["host"]),
        "POSTGRES_PORT": str(parts["port"]),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": str(THREADS),
        "POSTGRES_MAX_OVERFLOW": "0",
        "AGGREGATE_CACHE_MAXSIZE": "10000",
        "AGGREGATE_CACHE_FASTFORWARD": "n",
    }
