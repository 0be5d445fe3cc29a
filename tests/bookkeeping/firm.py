"""What the tests of the day's work share: a firm that announces, and whose days are done when a test says so."""

import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from application import commands as c
from application import corporate as f
from application.answers import ActionAnswer, Answer
from application.commands import Command
from application.errors import ReadTableMustReachPosition
from domain.corporate_action import ActionKind, action_id
from domain.interest import AnnualRate
from domain.terms import Side
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.bookkeeping.actions import CorporateActions
from infrastructure.bookkeeping.giving import Giver
from infrastructure.bookkeeping.interest import InterestOnCash
from infrastructure.market.calendars import calendar_named
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from tests.executing.parts import VENUE_OF_GIFTS, Customers, Log

D = Decimal
XNYS = calendar_named("XNYS")


class Killed(Exception):
    """The process that did the work is gone."""


class DyingGiver(Giver):
    """Dies after so many commands, as a process does that is killed."""

    def __init__(self, customers: Customers, *, after: int) -> None:
        super().__init__(customers.committer)
        self._left = after

    def _submit(self, command: Command) -> Any:
        if self._left == 0:
            raise Killed
        self._left -= 1
        return super()._submit(command)


class Firm:
    """Announces dividends and splits, and does a day's work."""

    def __init__(self, settings: Settings, customers: Customers) -> None:
        self.settings = settings
        self.customers = customers
        self._connection = connect(settings.database_url or "", application="test")

    def close(self) -> None:
        self._connection.close()

    def dividend(self, rate: str, *, ex: date, pay: date, symbol: str = "IBM") -> ActionAnswer:
        command = f.AnnounceDividend(
            action_id=action_id(ActionKind.DIVIDEND, symbol, ex),
            symbol=symbol,
            rate=D(rate),
            ex_date=ex,
            record_date=ex,
            pay_date=pay,
        )
        return self._announced(command)

    def split(
        self, ratio: tuple[int, int], *, ex: date, today: date, symbol: str = "IBM", cash: str | None = None
    ) -> ActionAnswer:
        command = f.AnnounceSplit(
            action_id=action_id(ActionKind.SPLIT, symbol, ex),
            symbol=symbol,
            numerator=ratio[0],
            denominator=ratio[1],
            ex_date=ex,
            cash_in_lieu=None if cash is None else D(cash),
            today=today,
        )
        return self._announced(command)

    def _announced(self, command: f.ActionCommand) -> ActionAnswer:
        answer = self.customers.submit(command).result(60)
        assert isinstance(answer, ActionAnswer)
        return answer

    def give(self, command: Command) -> Answer:
        return self.customers.submit(command).result(60)

    def work(self, day: date, *, withholding: str = "0", dying_after: int | None = None) -> int:
        """Do all corporate actions that are due, as soon as the read tables have caught up."""
        giver = Giver(self.customers.committer)
        if dying_after is not None:
            giver = DyingGiver(self.customers, after=dying_after)
        actions = CorporateActions(
            Accounts(self._connection), giver, calendar=XNYS, withholding=D(withholding)
        )
        return patiently(lambda: actions.run(day))

    def pay_interest(self, day: date, rates: dict[date, str], *, withholding: str = "0") -> int:
        interest = InterestOnCash(
            Accounts(self._connection),
            Giver(self.customers.committer),
            calendar=XNYS,
            rates=[AnnualRate(since, D(rate)) for since, rate in rates.items()],
            withholding=D(withholding),
        )
        return patiently(lambda: interest.run(day))

    def account(self, cash: str = "1000000.00") -> UUID:
        account_id = uuid4()
        self.give(c.OpenAccount(account_id=account_id, owner_id=uuid4()))
        if D(cash):
            self.give(c.Deposit(account_id=account_id, transfer_id=uuid4(), amount=D(cash)))
        return account_id

    def trade(
        self,
        account_id: UUID,
        quantity: str,
        *,
        side: Side = Side.BUY,
        price: str = "100",
        symbol: str = "IBM",
    ) -> None:
        """Buy or sell elsewhere, at once."""
        order = self.customers.place(
            account_id, quantity=D(quantity), limit_price=D(price), side=side, symbol=symbol
        )
        self.give(
            c.ExecuteOrder(
                account_id=account_id,
                order_id=order.order_id,
                symbol=symbol,
                execution_id=uuid4(),
                quantity=D(quantity),
                price=D(price),
                venue=VENUE_OF_GIFTS,
                quote=0,
            )
        )

    def log(self) -> Log:
        return Log.read(self.settings)

    def topics(self, account_id: UUID | None = None) -> list[str]:
        """What is in the log, of one account or of all."""
        return [row.topic for row in self.log().rows if account_id in (None, row.account_id)]


def patiently(work: Callable[[], int]) -> int:
    """Done once the read tables are where the work needs them."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return work()
        except ReadTableMustReachPosition:
            assert time.monotonic() < deadline
            time.sleep(0.02)
