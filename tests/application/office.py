"""An office: a desk with fees for one customer, whose books are looked at after every command."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from application import commands as c
from application import correcting as r
from application.ledger import Ledger
from application.rules import TradingRules
from domain.account import Account
from domain.aggregate import Event
from domain.books import Sum, broken, moved
from domain.errors import Refusal
from domain.facts import AGGREGATE_OF
from domain.fees import FeeSchedule, Per, Rate
from domain.journal import imbalance, postings
from domain.order import Order
from domain.position import Position
from domain.terms import OrderType, Side
from tests.application.desk import Desk
from tests.domain.examples import ACCOUNT, COLLAR, OWNER

D = Decimal
WHY = "entered twice"
FEES = FeeSchedule(
    (
        Rate(
            name="commission",
            since=date(2026, 1, 1),
            rate=D("0.0035"),
            per=Per.SHARE,
            sides=frozenset(Side),
            least=D("0.35"),
        ),
        Rate(name="sec31", since=date(2026, 1, 1), rate=D("0.0000206"), per=Per.DOLLAR),
    )
)


class Office(Desk):
    """A desk with fees whose books are looked at after every command."""

    def __init__(self) -> None:
        super().__init__()
        self.balances: dict[str, Sum] = {}
        self.counted = 0
        self.number = 0
        self.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))

    def send(self, command: c.Command) -> Any:
        ledger = Ledger(self.load, now=self.now, rules=TradingRules(collar=COLLAR, fees=FEES))
        try:
            answer = self.decide(command, ledger)
        except Refusal:
            self.abandon(ledger.touched())
            raise
        self.keep(ledger)
        self.require_books()
        return answer

    def require_books(self) -> None:
        for event in self.log[self.counted :]:
            lines = postings(event)
            assert not imbalance(lines), event
            for line in lines:
                moved(self.balances, line, str(ACCOUNT))
        self.counted = len(self.log)
        positions = [self.position(ACCOUNT, symbol) for symbol in ("AAPL", "MSFT")]
        found = list(
            broken(self.balances, account=self.account, positions=[p for p in positions if p.version])
        )
        assert not found, [str(one) for one in found]
        self.require_promises()

    def require_promises(self) -> None:
        """What is held and reserved is what the open orders need, and no more is withdrawable than available."""
        account, position = self.account, self.position(ACCOUNT)
        orders = [one for one in self.live.values() if isinstance(one, Order) and one.is_open and one.terms]
        buys = {one.id: one.cover for one in orders if one.terms and one.terms.is_buy}
        sales = {one.id: one.leaves for one in orders if one.terms and not one.terms.is_buy}
        assert (account.holds, position.reserves) == (buys, sales)
        assert account.held == sum(buys.values(), D(0)) <= account.cash - account.withdrawing
        assert D(0) <= account.withdrawable <= max(account.available, D(0))
        assert all(lot.quantity > 0 and lot.cost >= 0 for lot in position.lots)
        assert [lot.acquired_at for lot in position.lots] == sorted(lot.acquired_at for lot in position.lots)

    @property
    def account(self) -> Account:
        return self.load(Account, ACCOUNT, ACCOUNT)

    def next_id(self) -> UUID:
        self.number += 1
        return UUID(int=5000 + self.number)

    def deposit(self, amount: str = "1000.00") -> Event:
        self.send(c.Deposit(account_id=ACCOUNT, transfer_id=self.next_id(), amount=D(amount)))
        return self.log[-1]

    def order(self, side: Side, quantity: str, limit: str = "10") -> UUID:  # type: ignore[override]
        order_id = self.next_id()
        answer = self.send(
            c.PlaceOrder(
                account_id=ACCOUNT,
                order_id=order_id,
                symbol="AAPL",
                side=side,
                type=OrderType.LIMIT,
                quantity=D(quantity),
                limit_price=D(limit),
            )
        )
        if answer.status != "accepted":
            raise Refusal(answer.detail)
        return order_id

    def fill(self, order_id: UUID, quantity: str, price: str = "10") -> UUID:
        execution_id = self.next_id()
        command = c.ExecuteOrder(
            account_id=ACCOUNT,
            order_id=order_id,
            execution_id=execution_id,
            quantity=D(quantity),
            price=D(price),
            venue="internal",
            quote=7,
        )
        self.send(command)
        return execution_id

    def trade(self, side: Side, quantity: str, price: str = "10") -> UUID:
        return self.fill(self.order(side, quantity, price), quantity, price)

    def next_day(self, days: int = 1) -> None:
        self.now += timedelta(days=days)

    def settle(self) -> None:
        self.send(c.Settle(account_id=ACCOUNT, through=self.now.date()))

    def execution(self, execution_id: UUID) -> r.Execution:
        history = [event for event in self.log if AGGREGATE_OF[type(event)] is Position]
        found = r.execution_of(execution_id, self.log, history)
        assert found is not None
        return found

    def reverse(self, what: Any) -> Any:
        if isinstance(what, UUID):
            return self.send(
                r.ReverseExecution(account_id=ACCOUNT, execution=self.execution(what), reason=WHY)
            )
        return self.send(r.ReverseCash(account_id=ACCOUNT, event=what, reason=WHY))

    def correct(self, execution_id: UUID, quantity: str, price: str) -> Any:
        wrong = self.execution(execution_id)
        command = r.CorrectExecution(
            account_id=ACCOUNT, execution=wrong, reason=WHY, quantity=D(quantity), price=D(price)
        )
        return self.send(command)

    def order_of(self, execution_id: UUID) -> Order:
        return self.load(Order, self.execution(execution_id).executed.originator_id, ACCOUNT)

    def refuses(self, refusal: type[Refusal], what: Any) -> None:
        stored = len(self.log)
        with pytest.raises(refusal):
            what()
        assert len(self.log) == stored


def an_office(cash: str = "1000.00") -> Office:
    """An office with so much cash."""
    office = Office()
    office.deposit(cash)
    return office
