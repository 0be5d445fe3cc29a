"""A real server with a projector beside it, and clients that talk to it over HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import httpx
from msgspec import Struct

from domain.quotes import ClockReading, Quote, Session, Tick
from infrastructure.redis.quotes import QuotePublisher
from infrastructure.settings import Settings
from infrastructure.wiring.executor import executor
from infrastructure.wiring.projector import projector
from interfaces.roles import api

PASSWORD = "correct horse battery"

_people = count(1)


class Running(Struct, frozen=True, kw_only=True):
    """A served Daybook."""

    settings: Settings
    url: str

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        """A client; with a token, one that is logged in."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def register(self) -> tuple[str, dict[str, Any]]:
        """A new customer's e-mail address and ids."""
        email = f"person{next(_people)}@example.com"
        with self.client() as client:
            answer = client.post(
                "/api/v1/auth/register", json={"email": email, "password": PASSWORD, "full_name": "A Person"}
            )
        assert answer.status_code == 201, answer.text
        return email, answer.json()

    def log_in(self, email: str) -> dict[str, Any]:
        """What a login is answered with."""
        with self.client() as client:
            answer = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def customer(self, cash: str | None = None) -> httpx.Client:
        """A client of a new customer, with so many dollars."""
        email, _ = self.register()
        client = self.client(self.log_in(email)["access_token"])
        if cash is not None:
            assert client.post("/api/v1/wallet/deposit", json={"amount": cash}).status_code == 201
        return client


@contextmanager
def serving(settings: Settings) -> Iterator[Running]:
    """Serve until the block ends; the server must then be gone within its grace."""
    stop, projecting = threading.Event(), projector(settings).start()
    thread = threading.Thread(target=api.run, args=(settings, stop), daemon=True)
    thread.start()
    running = Running(settings=settings, url=f"http://{settings.host}:{settings.port}")
    try:
        until(lambda: _answers(running.url))
        yield running
    finally:
        stop.set()
        thread.join(timeout=60)
        projecting.stop()
    assert not thread.is_alive()


def until(condition: Any, seconds: float = 60.0) -> Any:
    """Wait for something true and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")


def quote(symbol: str, sequence: int, *, last: str = "100.00", at: datetime | None = None) -> Quote:
    """A quote with the offer 10 cents above the last sale."""
    price = Decimal(last)
    return Quote(
        symbol=symbol,
        bid=price - Decimal("0.10"),
        ask=price + Decimal("0.10"),
        bid_size=100_000,
        ask_size=100_000,
        last=price,
        volume=1_000_000,
        at=at or datetime.now(UTC),
        sequence=sequence,
    )


@contextmanager
def executing(settings: Settings) -> Iterator[None]:
    """Run the executor until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=executor(settings).run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=60)


class Market:
    """Publishes quotes as the market role does."""

    def __init__(self, redis_url: str) -> None:
        self._publisher = QuotePublisher(redis_url)
        self._numbers = count(1)
        self.previous_close = datetime.now(UTC) - timedelta(hours=8)

    def publish(self, **lasts: str) -> None:
        """One tick in which these symbols last traded at these prices."""
        number, now = next(self._numbers), datetime.now(UTC)
        session = Session(is_open=True, previous_close=self.previous_close)
        quotes = [
            quote(symbol, number * 1000 + n, last=last) for n, (symbol, last) in enumerate(lasts.items())
        ]
        self._publisher.publish(
            Tick(run="test", number=number, at=now, session=session, quotes=quotes),
            ClockReading(at=now, wall=now, speed=1, until=now, session=session, source="test"),
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._publisher.close()


def order(**changes: Any) -> dict[str, Any]:
    """The body of a limit order that rests: 10 AAPL at 90 dollars."""
    body = {"symbol": "AAPL", "side": "buy", "type": "limit", "quantity": "10", "limit_price": "90.00"}
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document with this status and code; returns the document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["instance"] == answer.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code in (200, 503)
    except httpx.TransportError:
        return False
