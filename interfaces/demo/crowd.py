"""A crowd: customers who trade in the background, remember every answer, and check it all in the end."""

import random
import threading
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

from interfaces.demo.books import spent_and_received
from interfaces.demo.outside import Outside, Refused

Json = dict[str, Any]

PASSWORD = "one-of-the-crowd"  # noqa: S105  a demonstration's customers, on a loopback address
STAKE = Decimal("100000.00")


class Trader(threading.Thread):
    """One of the crowd: places, cancels and sells until told to stop."""

    def __init__(self, base_url: str, symbols: list[str], number: int) -> None:
        super().__init__(name=f"trader-{number}", daemon=True)
        self._random = random.Random(number)  # noqa: S311  which order comes next is no secret
        self._symbols = symbols
        self._number = number
        self._stop_asked = threading.Event()
        self.outside = Outside(base_url)
        self.answered: list[str] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        """Trade."""
        try:
            self.outside.register(f"crowd-{uuid4().hex}@example.com", PASSWORD, f"Trader {self._number}")
            self.outside.deposit(STAKE)
            while not self._stop_asked.is_set():
                self._act()
                self._stop_asked.wait(self._random.uniform(0.0, 0.1))
        except Exception as failure:  # noqa: BLE001  reported by whoever checks the crowd
            self.failure = failure

    def finish(self) -> None:
        """Stop trading and cancel what is open, so that the books stand still."""
        self._stop_asked.set()
        self.join(timeout=60)
        self._cancel_all()

    def go_home(self) -> None:
        """Stop trading and hang up."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(timeout=60)
            with suppress(Refused, httpx.HTTPError):
                self._cancel_all()
        self.outside.close()

    def check(self) -> list[str]:
        """What is wrong with this trader's books: nothing, when all is well."""
        if self.failure is not None:
            return [f"{self.name} failed: {self.failure!r}"]
        orders = self._orders("all")
        wrong = []
        if sorted(order["order_id"] for order in orders) != sorted(self.answered):
            wrong.append(f"{self.name}: {len(self.answered)} orders were answered, {len(orders)} are there")
        paid, received = spent_and_received(self._executions(orders))
        balance = self.outside.get("/api/v1/wallet/balance")
        if Decimal(balance["cash"]) != STAKE - paid + received or Decimal(balance["held"]) != 0:
            wrong.append(f"{self.name}: cash {balance['cash']}, {paid} paid and {received} received")
        return wrong

    def _act(self) -> None:
        symbol = self._random.choice(self._symbols)
        quote = self.outside.get(f"/api/v1/quotes/{symbol}")
        if quote["ask"] is None or quote["bid"] is None:
            return
        action = self._random.random()
        if action < 0.35:
            self._place(symbol=symbol, side="buy", type="market", quantity=1)
        elif action < 0.7:
            limit = (Decimal(quote["bid"]) * Decimal("0.99")).quantize(Decimal("0.01"))
            self._place(symbol=symbol, side="buy", type="limit", quantity=2, limit_price=limit)
        elif action < 0.85:
            self._place(symbol=symbol, side="sell", type="market", quantity=1)
        elif self.answered:
            self._cancel(self._random.choice(self.answered))

    def _place(self, **terms: Any) -> None:
        try:
            order = self.outside.order(time_in_force="gtc", **terms)
        except Refused as refused:
            if "order_id" not in refused.problem:
                raise
            self.answered.append(refused.problem["order_id"])  # rejected, and kept
        else:
            self.answered.append(order["order_id"])

    def _cancel(self, order_id: str) -> None:
        try:
            self.outside.send("DELETE", f"/api/v1/orders/{order_id}")
        except Refused as refused:
            if refused.code != "order_must_be_open":
                raise

    def _cancel_all(self) -> None:
        for order in self._orders("open"):
            self._cancel(order["order_id"])

    def _orders(self, status: str) -> list[Json]:
        found: list[Json] = []
        cursor = None
        while True:
            page = self.outside.get("/api/v1/orders", status=status, limit=200, cursor=cursor)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def _executions(self, orders: list[Json]) -> list[Json]:
        filled = [order for order in orders if Decimal(order["filled_quantity"])]
        return [
            execution
            for order in filled
            for execution in self.outside.get(f"/api/v1/orders/{order['order_id']}")["executions"]
        ]


class Crowd:
    """Several traders at once."""

    def __init__(self, base_url: str, symbols: list[str], *, size: int = 3) -> None:
        self._traders = [Trader(base_url, symbols, number) for number in range(1, size + 1)]

    def start(self) -> "Crowd":
        """Begin to trade."""
        for trader in self._traders:
            trader.start()
        return self

    def close(self) -> None:
        """Send everybody home."""
        for trader in self._traders:
            trader.go_home()

    def finish(self) -> tuple[int, int, list[str]]:
        """Stop trading and check. Returns orders answered, requests repeated, and what is wrong."""
        for trader in self._traders:
            trader.finish()
        wrong = [line for trader in self._traders for line in trader.check()]
        orders = sum(len(trader.answered) for trader in self._traders)
        self.close()
        return orders, sum(trader.outside.retries for trader in self._traders), wrong
