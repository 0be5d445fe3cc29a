"""Ledgers to export: commands through a real committer, with charges and settlement, day by day."""

import random
import threading
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from application import commands as c
from application.rules import TradingRules
from domain.fees import FeeSchedule, Per, Rate
from domain.rates import US_SHARES
from domain.terms import OrderType, Side, TimeInForce
from infrastructure.books.exporting import Format, export
from infrastructure.books.scope import Wanted
from infrastructure.eventstore.committer import Committer, CommitterSettings
from infrastructure.projecting.runner import Projector
from projections.catalogue import PROJECTIONS
from tests.projecting.worked import Desk

D = Decimal
COMMISSION = Rate(
    name="commission", since=date(2000, 1, 1), rate=D("0.01"), per=Per.SHARE, sides=frozenset(Side)
)
RULES = TradingRules(fees=FeeSchedule((*US_SHARES, COMMISSION)))


class Bookshop(Desk):
    """A desk with charges, that can let days pass and write its books."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.committer.stop()
        self.committer = Committer(url, clock=self, settings=CommitterSettings(rules=RULES)).start()

    def next_day(self, *account_ids: UUID, days: int = 1) -> None:
        """Let days pass, then settle what is due."""
        self.time += timedelta(days=days)
        for account_id in account_ids:
            self.do(c.Settle(account_id=account_id, through=self.time.date()))

    def trade(self, account_id: UUID, side: str, symbol: str, quantity: str, price: str, *parts: str) -> UUID:
        """A limit order filled at its limit, at once or in parts."""
        order_id = self.order(account_id, side, symbol, quantity, price)
        for part in parts or (quantity,):
            self.fill(account_id, order_id, symbol, part, price)
        return order_id

    def order(self, account_id: UUID, side: str, symbol: str, quantity: str, price: str) -> UUID:
        order_id = uuid4()
        self.do(
            c.PlaceOrder(
                account_id=account_id,
                order_id=order_id,
                symbol=symbol,
                side=Side(side),
                type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                quantity=D(quantity),
                limit_price=D(price),
            )
        )
        return order_id

    def fill(self, account_id: UUID, order_id: UUID, symbol: str, quantity: str, price: str) -> None:
        self.do(
            c.ExecuteOrder(
                account_id=account_id,
                order_id=order_id,
                symbol=symbol,
                execution_id=uuid4(),
                quantity=D(quantity),
                price=D(price),
                venue="SIM",
                quote=1,
            )
        )

    def project(self, projections: Sequence[Any] = PROJECTIONS) -> None:
        Projector(self.url, projections, wake=threading.Event(), batch=2000).catch_up()

    def books(self, form: Format, wanted: Wanted | None = None) -> bytes:
        """The file, whole."""
        return b"".join(export(self.url, form, wanted or Wanted(), now=self.now, patience=0))

    def write(self, folder: Path, form: Format, wanted: Wanted | None = None) -> Path:
        file = folder / f"books.{form}"
        file.write_bytes(self.books(form, wanted))
        return file


class Two(Bookshop):
    """Two customers over a week: one whose lots beancount can choose, one of odd fractions."""

    def live(self) -> "Two":
        ann, bob = self.ann, self.bob = self.opened("10000.00"), self.opened("5000.00")
        self.trade(ann, "buy", "XYZ", "40", "49.90")
        self.trade(ann, "buy", "XYZ", "35", "50.00", "15", "20")
        self.trade(bob, "buy", "BRK.B", "3", "33.3333")
        self.trade(bob, "buy", "F", "10.123456", "11.11", "1.1", "9.023456")
        self.next_day(ann, bob)
        self.trade(ann, "sell", "XYZ", "60", "55.00")
        self.trade(bob, "sell", "BRK.B", "2", "34.00", "1", "1")
        self.order(ann, "sell", "XYZ", "5", "80.00")
        self.order(bob, "buy", "F", "2.5", "9.99")
        self.next_day(ann, bob)
        self.trade(bob, "sell", "F", "4.000001", "10.99")
        self.trade(ann, "buy", "F", "7", "10.0001")
        self.next_day(bob, days=3)
        self.do(c.Deposit(account_id=ann, transfer_id=uuid4(), amount=D("0.01")))
        self.do(c.Withdraw(account_id=bob, transfer_id=uuid4(), amount=D("100.00")))
        return self

    @property
    def last_moment(self) -> datetime:
        return self.time


def wander(shop: Bookshop, *, days: int, seed: int) -> list[UUID]:
    """Customers who trade at random for so many days."""
    chance = random.Random(seed)
    accounts = [shop.opened("100000.00") for _ in range(3)]
    owned: dict[tuple[UUID, str], Decimal] = {}
    for _ in range(days):
        shop.next_day(*accounts)
        account_id, symbol = chance.choice(accounts), chance.choice(["AAPL", "BRK.B", "F"])
        price = str(D(chance.randint(90_000, 110_000)) / 10_000)
        if chance.random() < 0.6:
            quantity = D(chance.randint(1, 900)) / chance.choice([1, 1, 8, 1000])
            shop.trade(account_id, "buy", symbol, str(quantity), price)
            owned[account_id, symbol] = owned.get((account_id, symbol), D(0)) + quantity
        elif owned.get((account_id, symbol)):
            quantity = chance.choice([owned[account_id, symbol], owned[account_id, symbol] / 2])
            quantity = quantity.quantize(D("0.000001"))
            shop.trade(account_id, "sell", symbol, str(quantity), price)
            owned[account_id, symbol] -= quantity
    return accounts
