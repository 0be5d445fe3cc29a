"""What each customer has, what is held, and what may be spent."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.terms import LotMethod
from domain.transfer import Transfer
from domain.values import NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question


class Balance(Struct):
    """One account's cash in dollars. `held` is promised to open orders, `withdrawing` is on its way to a bank.

    `cash` has the proceeds of sales from their trade date; `unsettled` is what of them has yet to come. `owed` is
    what the customer owes the firm. By `lot_method` sales choose their lots when their order does not say.
    """

    account_id: UUID
    owner_id: UUID
    status: str
    opened_at: datetime
    cash: Decimal
    held: Decimal
    withdrawing: Decimal
    owed: Decimal
    unsettled: Decimal
    good_faith_violations: int
    lot_method: str
    updated_at: datetime
    log_position: int


class Balances(Projection):
    """One row an account."""

    name = "balances"
    version = 2  # 2: what is unsettled, on its way out, or owed, and income
    row = Balance
    key_columns = ("account_id",)
    ignores = (
        Account.DividendEntitled,
        Account.SharesSplit,
        *Order.FACTS,
        *Position.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By account."""
        return (event.account_id,)

    @on(Account.Opened)
    def opened(self, event: Account.Opened, rows: Rows[Balance]) -> None:
        """A row begins with nothing in it."""
        balance = Balance(
            account_id=event.account_id,
            owner_id=event.owner_id,
            status="open",
            opened_at=event.recorded_at,
            cash=NOTHING,
            held=NOTHING,
            withdrawing=NOTHING,
            owed=NOTHING,
            unsettled=NOTHING,
            good_faith_violations=0,
            lot_method=LotMethod.FIFO.value,
            updated_at=event.recorded_at,
            log_position=rows.fact.log_position,
        )
        rows.add((event.account_id,), balance)

    @on(Account.Deposited, Account.WithdrawalPutBack)
    def deposited(self, event: Account.Deposited | Account.WithdrawalPutBack, rows: Rows[Balance]) -> None:
        """Cash grows, once a debt is repaid."""
        row = self._row(event, rows)
        row.cash += event.amount - event.repaid
        row.owed -= event.repaid

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[Balance]) -> None:
        """Cash shrinks, by what was held for it or by free cash."""
        row = self._row(event, rows)
        row.cash -= event.amount
        row.withdrawing -= event.amount if event.held else NOTHING

    @on(Account.WithdrawalHeld)
    def withdrawing(self, event: Account.WithdrawalHeld, rows: Rows[Balance]) -> None:
        """Cash is on its way out."""
        self._row(event, rows).withdrawing += event.amount

    @on(Account.WithdrawalReleased)
    def stayed(self, event: Account.WithdrawalReleased, rows: Rows[Balance]) -> None:
        """It stays after all."""
        self._row(event, rows).withdrawing -= event.amount

    @on(Account.DepositTakenBack)
    def taken_back(self, event: Account.DepositTakenBack, rows: Rows[Balance]) -> None:
        """A bank took a deposit back; what was gone is owed."""
        row = self._row(event, rows)
        row.cash -= event.amount - event.owed
        row.owed += event.owed

    @on(Account.FundsHeld)
    def held(self, event: Account.FundsHeld, rows: Rows[Balance]) -> None:
        """More is promised."""
        self._row(event, rows).held += event.amount

    @on(Account.FundsReleased)
    def released(self, event: Account.FundsReleased, rows: Rows[Balance]) -> None:
        """Less is promised."""
        self._row(event, rows).held -= event.amount

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[Balance]) -> None:
        """Cash is spent out of the hold."""
        row = self._row(event, rows)
        row.cash -= event.amount
        row.held -= event.released

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[Balance]) -> None:
        """Proceeds are due."""
        row = self._row(event, rows)
        row.cash += event.amount
        row.unsettled += event.amount

    @on(Account.Settled)
    def settled(self, event: Account.Settled, rows: Rows[Balance]) -> None:
        """Proceeds came in."""
        self._row(event, rows).unsettled -= event.due.proceeds

    @on(Account.GoodFaithViolated)
    def violated(self, event: Account.GoodFaithViolated, rows: Rows[Balance]) -> None:
        """One more."""
        self._row(event, rows).good_faith_violations += 1

    @on(Account.DividendPaid, Account.InterestPaid, Account.CashInLieuPaid)
    def received(
        self, event: Account.DividendPaid | Account.InterestPaid | Account.CashInLieuPaid, rows: Rows[Balance]
    ) -> None:
        """Income comes in."""
        self._row(event, rows).cash += event.amount

    @on(Account.Reversed)
    def reversed(self, event: Account.Reversed, rows: Rows[Balance]) -> None:
        """What a fact did is taken back."""
        row, wrong = self._row(event, rows), event.original
        row.cash -= wrong.brought
        row.owed += getattr(wrong, "repaid", NOTHING)
        if isinstance(wrong, Account.Withdrawn) and wrong.held:
            row.withdrawing += wrong.amount
        elif isinstance(wrong, Account.PurchaseDebited):
            row.held += wrong.released
        elif isinstance(wrong, Account.SaleCredited):
            row.unsettled -= wrong.amount

    @on(Account.Suspended)
    def suspended(self, event: Account.Suspended, rows: Rows[Balance]) -> None:
        """Staff stopped it."""
        self._row(event, rows).status = "suspended"

    @on(Account.Reinstated)
    def reinstated(self, event: Account.Reinstated, rows: Rows[Balance]) -> None:
        """Staff let it go on."""
        self._row(event, rows).status = "open"

    @on(Account.Closed)
    def closed(self, event: Account.Closed, rows: Rows[Balance]) -> None:
        """It ended."""
        self._row(event, rows).status = "closed"

    @on(Account.LotMethodChosen)
    def lot_method_chosen(self, event: Account.LotMethodChosen, rows: Rows[Balance]) -> None:
        """Its sales choose their lots otherwise."""
        self._row(event, rows).lot_method = event.method.value

    def _row(self, event: Event, rows: Rows[Balance]) -> Balance:
        row = rows[(event.account_id,)]
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


BALANCE_OF_ACCOUNT = Lookup("balances", Balance, by=("account_id",))


class CashInOne(Struct, array_like=True, frozen=True, gc=False):
    """What of a balance is told beside positions."""

    cash: Decimal
    held: Decimal
    log_position: int


CASH_IN_ONE = Lookup("balances", CashInOne, by=("account_id",), in_one=True)

RESIDUES = Question(
    "balances",
    Balance,
    "status = 'closed' AND cash > 0 AND log_position < %(before)s ORDER BY log_position DESC LIMIT %(limit)s",
)
"""Closed accounts that money came to after their end, the last first."""
