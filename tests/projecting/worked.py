"""A worked history: what two customers did one morning, one command a second."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from application import commands as c
from application.answers import Answer
from application.requests import Metadata, Request
from application.rules import TradingRules
from domain.terms import OrderType, Side, TimeInForce
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import facts_of
from infrastructure.projecting.runner import Projector
from projections.catalogue import PROJECTIONS
from projections.projection import Fact

D = Decimal
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ANN, BOB, OWNER, TRANSFER, REQUEST = (UUID(int=n) for n in range(1, 6))
FIRST, SALE, MSFT, STOP, TOO_MUCH, OPEN_SALE, WHILE_SUSPENDED = (UUID(int=n) for n in range(11, 18))
E1, E2, E3, E4 = (UUID(int=n) for n in range(21, 25))


def at(second: int) -> datetime:
    """The moment of the command with this number."""
    return START + timedelta(seconds=second)


class Desk:
    """Gives commands to a real committer, each a second after the one before."""

    def __init__(self, url: str, rules: TradingRules | None = None) -> None:
        self.url = url
        self.time = START
        self.committer = Committer(
            url, clock=self, settings=CommitterSettings(rules=rules or TradingRules())
        ).start()

    def now(self) -> datetime:
        return self.time

    def do(self, command: c.Command, **metadata: Any) -> Answer:
        """Carry out one command and wait for its answer."""
        self.time += timedelta(seconds=1)
        return self.committer.submit(request(command, **metadata)).result(60)

    def all_at_once(self, commands: Sequence[c.Command]) -> list[Answer]:
        """Give many commands without waiting in between."""
        futures = [self.committer.submit(request(command)) for command in commands]
        return [future.result(60) for future in futures]

    def opened(self, cash: str = "1000.00") -> UUID:
        """A new account with this much cash: two events."""
        account_id = uuid4()
        self.do(c.OpenAccount(account_id=account_id, owner_id=OWNER))
        self.do(deposit(account_id, cash))
        return account_id

    def facts(self) -> list[Fact]:
        """The whole log."""
        with connect(self.url, application="test") as connection:
            return facts_of(read_after(connection, 0, limit=1_000_000))

    def close(self) -> None:
        self.committer.stop()


def request(command: c.Command, **metadata: Any) -> Request:
    """A request by Ann."""
    said = {"actor": str(ANN), "role": "customer", "request_id": REQUEST, **metadata}
    return Request(command=command, metadata=Metadata(**said), request_hash=b"body")


def deposit(account_id: UUID, amount: str = "1.00") -> c.Deposit:
    return c.Deposit(account_id=account_id, transfer_id=TRANSFER, amount=D(amount))


def place(order_id: UUID, terms: str, *, account_id: UUID = ANN, **others: Any) -> c.PlaceOrder:
    """An order written as `buy 10 AAPL limit 100 gtc`, other terms by name."""
    side, quantity, symbol, kind, *rest = terms.split()
    tif = TimeInForce(rest.pop() if rest else "day")
    return c.PlaceOrder(
        account_id=account_id,
        order_id=order_id,
        side=Side(side),
        quantity=D(quantity),
        symbol=symbol,
        type=OrderType(kind),
        time_in_force=tif,
        **others,
    )


def fill(order_id: UUID, execution_id: UUID, quantity: str, price: str, *, quote: int) -> c.ExecuteOrder:
    return c.ExecuteOrder(
        account_id=ANN,
        order_id=order_id,
        execution_id=execution_id,
        quantity=D(quantity),
        price=D(price),
        venue="SIM",
        quote=quote,
    )


def ann(kind: type[Any], order_id: UUID, **terms: Any) -> Any:
    """A command about an order of Ann's."""
    return kind(account_id=ANN, order_id=order_id, **terms)


WORKED: Sequence[c.Command] = (
    c.OpenAccount(account_id=ANN, owner_id=OWNER),
    c.Deposit(account_id=ANN, transfer_id=TRANSFER, amount=D("10000.00")),
    place(FIRST, "buy 10 AAPL limit gtc", limit_price=D(100), client_order_id="first"),
    ann(c.AcceptOrder, FIRST, venue="SIM"),
    fill(FIRST, E1, "4", "99.50", quote=1),
    fill(FIRST, E2, "6", "100", quote=2),
    place(SALE, "sell 7 AAPL market"),
    fill(SALE, E3, "7", "110.125", quote=3),
    place(MSFT, "buy 5.5 MSFT limit ioc", limit_price=D("200.0001")),
    ann(c.CancelOrder, MSFT),
    place(STOP, "buy 2 MSFT stop", stop_price=D(210), ask=D(205)),
    ann(c.ReplaceOrder, STOP, quantity=D(3)),
    ann(c.TriggerOrder, STOP, quote=4, elected_by="last", price=D(211)),
    fill(STOP, E4, "1", "212.34", quote=5),
    ann(c.ExpireOrder, STOP),
    place(TOO_MUCH, "sell 100 AAPL market"),
    place(OPEN_SALE, "sell 2 AAPL limit gtc", limit_price=D(120)),
    ann(c.ReplaceOrder, OPEN_SALE, quantity=D(3), limit_price=D(121)),
    c.Withdraw(account_id=ANN, transfer_id=TRANSFER, amount=D("100.00")),
    c.SuspendAccount(account_id=ANN, reason="a question"),
    place(WHILE_SUSPENDED, "buy 1 AAPL market", ask=D(10)),
    c.ReinstateAccount(account_id=ANN, reason="answered"),
    c.OpenAccount(account_id=BOB, owner_id=OWNER),
    c.CloseAccount(account_id=BOB),
)
"""The command with number n is carried out n seconds after the start."""


def work(desk: Desk) -> None:
    """Live through the worked history."""
    for command in WORKED:
        desk.do(command)


def project(url: str, *, batch: int = 2000, projections: Sequence[Any] = PROJECTIONS) -> None:
    """Bring the read tables up to the log."""
    Projector(url, projections, wake=threading.Event(), batch=batch).catch_up()


def table(url: str, name: str) -> list[str]:
    """All rows of a read table as PostgreSQL writes them, sorted."""
    with connect(url, application="test") as connection:
        found = connection.execute(f"SELECT t::text FROM read.{name} t ORDER BY 1".encode())
        return [row[0] for row in found.fetchall()]


def tables(url: str) -> dict[str, list[str]]:
    """All read tables."""
    return {projection.name: table(url, projection.name) for projection in PROJECTIONS}
