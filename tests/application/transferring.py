"""What the tests of transfers share: a desk at which banks take their time, and the books of its log."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from application import commands as c
from application.answers import Answer
from application.ledger import Ledger
from application.rules import FundingTerms, TradingRules
from domain.account import Account
from domain.errors import Refusal
from domain.journal import Book, Posting, imbalance, postings
from domain.transfer import Direction, Transfer
from tests.application.desk import Desk
from tests.domain.examples import ACCOUNT, COLLAR, NOW, OWNER

DELAY = timedelta(days=1)
D = Decimal


class BankDesk(Desk):
    """A desk whose transfers go through a bank."""

    def __init__(self, *, is_instant: bool = False) -> None:
        super().__init__()
        self.rules = TradingRules(collar=COLLAR, funding=FundingTerms(is_instant=is_instant, delay=DELAY))
        self.now = NOW
        self.send(c.OpenAccount(account_id=ACCOUNT, owner_id=OWNER))

    def send(self, command: c.Command) -> Answer:
        ledger = Ledger(self.load, now=self.now, rules=self.rules)
        try:
            answer = self.decide(command, ledger)
        except Refusal:
            self.abandon(ledger.touched())
            raise
        self.keep(ledger)
        return answer

    @property
    def account(self) -> Account:
        return self.load(Account, ACCOUNT, ACCOUNT)

    def transfer(self, transfer_id: UUID) -> Transfer:
        return self.load(Transfer, transfer_id, ACCOUNT)

    def deposit(self, amount: str, *, is_completed: bool = True) -> UUID:
        return self._begin(c.Deposit, amount, is_completed=is_completed)

    def withdraw(self, amount: str, *, is_completed: bool = True) -> UUID:
        return self._begin(c.Withdraw, amount, is_completed=is_completed)

    def complete(self, transfer_id: UUID) -> Answer:
        return self.send(c.CompleteTransfer(account_id=ACCOUNT, transfer_id=transfer_id))

    def fail(self, transfer_id: UUID) -> Answer:
        return self.send(c.FailTransfer(account_id=ACCOUNT, transfer_id=transfer_id, reason="account_closed"))

    def give_back(self, transfer_id: UUID, direction: Direction, amount: str) -> Answer:
        return self.send(
            c.ReturnTransfer(
                account_id=ACCOUNT,
                transfer_id=transfer_id,
                reason="not_authorized",
                direction=direction,
                amount=D(amount),
            )
        )

    def _begin(self, kind: Any, amount: str, *, is_completed: bool) -> UUID:
        transfer_id = uuid4()
        self.send(kind(account_id=ACCOUNT, transfer_id=transfer_id, amount=D(amount)))
        if is_completed and not self.rules.funding.is_instant:
            self.complete(transfer_id)
        return transfer_id


def lines(desk: Desk) -> list[Posting]:
    """Everything the log books; each event must balance."""
    found: list[Posting] = []
    for event in desk.log:
        booked = postings(event)
        assert imbalance(booked) == {}, event
        found += booked
    return found


def sums(desk: Desk) -> dict[str, Decimal]:
    """What each account of the books stands at, in dollars, by its name without the customer's id."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines(desk):
        if line.book is not Book.STOCK and line.cost is None:
            found[line.account.replace(f"Cust:C{ACCOUNT}:", "Cust:")] += line.amount
    return {name: amount for name, amount in found.items() if amount}


def require_books(desk: BankDesk) -> None:
    """The customer's books mirror the firm's, customers' money is all there, and free cash is the account's."""
    books, account = sums(desk), desk.account
    customers = ("Assets:Cust:Cash:", "Assets:Cust:Unsettled", "Liabilities:Cust:")
    firms = ("Liabilities:Firm:Cust:", "Assets:Firm:Cust:")
    mirror = sum((v for name, v in books.items() if name.startswith((*customers, *firms))), D(0))
    assert mirror == 0
    segregated = ("Assets:Firm:Bank:FBO", "Liabilities:Firm:Cust:FreeCredit", "Liabilities:Firm:RegFees")
    assert sum((v for name, v in books.items() if name.startswith(segregated)), D(0)) == 0
    free = account.cash - account.held - account.withdrawing - account.unsettled_proceeds
    assert books.get("Assets:Cust:Cash:Free", D(0)) == free
    assert books.get("Assets:Cust:Cash:HeldWithdraw", D(0)) == account.withdrawing
    assert books.get("Liabilities:Cust:Owed", D(0)) == -account.owed
