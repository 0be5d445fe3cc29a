"""What an account's owner is told of a day: cash at its beginning and end, what moved, and the shares at its end.

A day is one of UTC. Shares are valued at the price of the account's own last trade in them, as the log has no
quotes. The single movements are those of the activity table between the row's first and last log position.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.account import Account
from domain.aggregate import Event
from domain.position import Position
from domain.trade import total
from domain.values import NOTHING
from projections import worth
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.shares import LATEST, Shares
from projections.taken_back import shares_of
from projections.worth import UNMOVED

_DAY = timedelta(days=1)


class StatementRow(Struct):
    """An account's day. Closing is opening cash, and deposited, less withdrawn, less bought, and sold, less fees, and income.

    The row of the day `LATEST` is where the account stands: the last day's row again.
    """

    account_id: UUID
    day: datetime
    opening_cash: Decimal
    closing_cash: Decimal
    deposited: Decimal
    withdrawn: Decimal
    bought: Decimal
    sold: Decimal
    fees: Decimal
    income: Decimal
    realised: Decimal
    trades: int
    cost: Decimal
    invested: Decimal
    positions: list[Shares]
    first_position: int
    updated_at: datetime
    log_position: int


class Statements(Projection):
    """One row an account and day on which its cash or shares moved, and one for where it stands."""

    name = "statements"
    version = 2  # 2: fees apart from what was bought and sold, income, splits, returned transfers
    row = StatementRow
    key_columns = ("account_id", "day")
    ignores = UNMOVED

    def key(self, event: Event, fact: Fact) -> Key:
        """Where the account stands; the day's row is written from it."""
        return (event.account_id, LATEST)

    @on(Account.Opened)
    def opened(self, event: Account.Opened, rows: Rows[StatementRow]) -> None:
        """There is nothing yet."""
        row = _nothing(event.account_id, event.recorded_at, rows.fact.log_position)
        rows.later(rows.add(self.key(event, rows.fact), row), _of_day)

    @on(Account.Deposited, Account.WithdrawalPutBack)
    def deposited(
        self, event: Account.Deposited | Account.WithdrawalPutBack, rows: Rows[StatementRow]
    ) -> None:
        """Cash came in, less what repaid a debt."""
        row, amount = self._row(event, rows), event.amount - event.repaid
        row.closing_cash += amount
        row.deposited += amount
        rows.later(row, _of_day)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[StatementRow]) -> None:
        """Cash went out."""
        row = self._row(event, rows)
        row.closing_cash -= event.amount
        row.withdrawn += event.amount
        rows.later(row, _of_day)

    @on(Account.DepositTakenBack)
    def taken_back(self, event: Account.DepositTakenBack, rows: Rows[StatementRow]) -> None:
        """A bank took a deposit back: what was there of it went out."""
        row, amount = self._row(event, rows), event.amount - event.owed
        row.closing_cash -= amount
        row.withdrawn += amount
        rows.later(row, _of_day)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[StatementRow]) -> None:
        """Shares were bought."""
        row = self._row(event, rows)
        row.closing_cash -= event.amount
        row.bought += event.amount
        row.trades += 1
        worth.trade(row, event.symbol, event.quantity, event.price)
        rows.later(row, _of_day)

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[StatementRow]) -> None:
        """Shares were sold."""
        row = self._row(event, rows)
        row.closing_cash += event.amount
        row.sold += event.amount
        row.trades += 1
        worth.trade(row, event.symbol, -event.quantity, event.price)
        rows.later(row, _of_day)

    @on(Account.DividendPaid, Account.InterestPaid)
    def received(self, event: Account.DividendPaid | Account.InterestPaid, rows: Rows[StatementRow]) -> None:
        """Income came in."""
        row = self._row(event, rows)
        row.closing_cash += event.amount
        row.income += event.amount
        rows.later(row, _of_day)

    @on(Account.Reversed)
    def reversed(self, event: Account.Reversed, rows: Rows[StatementRow]) -> None:
        """What a fact did to cash and shares is taken back, on the day it is recorded."""
        row, wrong = self._row(event, rows), event.original
        moved = wrong.brought
        row.closing_cash -= moved
        if isinstance(wrong, Account.Deposited):
            row.deposited -= moved
        elif isinstance(wrong, Account.Withdrawn):
            row.withdrawn += moved
        elif isinstance(wrong, Account.PurchaseDebited):
            row.bought += moved
        elif isinstance(wrong, Account.SaleCredited):
            row.sold -= moved
        else:
            row.income -= moved
        row.trades -= 1 if shares_of(wrong) else 0
        worth.take_back_trade(row, wrong)
        rows.later(row, _of_day)

    @on(Position.Reversed)
    def execution_reversed(self, event: Position.Reversed, rows: Rows[StatementRow]) -> None:
        """What an execution did to the cost of shares is taken back, its charges and the profit."""
        row, wrong = self._row(event, rows), event.original
        charges = total(wrong.charges)
        row.fees -= charges
        if isinstance(wrong, Position.LotOpened):
            row.bought += charges
        else:
            row.sold -= charges
        worth.take_back_cost(row, wrong)
        rows.later(row, _of_day)

    @on(Account.SharesSplit)
    def shares_split(self, event: Account.SharesSplit, rows: Rows[StatementRow]) -> None:
        """Shares became more, or fewer, and are worth the same."""
        row = self._row(event, rows)
        worth.split(row, event)
        rows.later(row, _of_day)

    @on(Account.CashInLieuPaid)
    def fraction_paid(self, event: Account.CashInLieuPaid, rows: Rows[StatementRow]) -> None:
        """The fraction of a share became cash."""
        row = self._row(event, rows)
        row.closing_cash += event.amount
        row.income += event.amount
        worth.lose_fraction(row, event)
        rows.later(row, _of_day)

    @on(Position.LotOpened)
    def lot_opened(self, event: Position.LotOpened, rows: Rows[StatementRow]) -> None:
        """What the shares cost."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, event.lot.cost)
        row.bought -= total(event.charges)
        row.fees += total(event.charges)
        rows.later(row, _of_day)

    @on(Position.FractionCashed)
    def fraction_cashed(self, event: Position.FractionCashed, rows: Rows[StatementRow]) -> None:
        """What the fraction that a split left had cost, and the profit."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, -event.cost, realised=event.profit)
        rows.later(row, _of_day)

    @on(Position.LotsRelieved)
    def lots_relieved(self, event: Position.LotsRelieved, rows: Rows[StatementRow]) -> None:
        """What the sold shares had cost, and the profit."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, -event.cost, realised=event.profit)
        row.sold += total(event.charges)
        row.fees += total(event.charges)
        rows.later(row, _of_day)

    @on(Position.WashSaleDisallowed)
    def disallowed(self, event: Position.WashSaleDisallowed, rows: Rows[StatementRow]) -> None:
        """A loss that is not allowed is a cost of the shares that replaced the sold ones."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, event.disallowed, realised=event.disallowed)
        rows.later(row, _of_day)

    def _row(self, event: Event, rows: Rows[StatementRow]) -> StatementRow:
        """Where the account stands, its day's sums begun anew with a new day."""
        row = rows[self.key(event, rows.fact)]
        if not _is_same_day(row.updated_at, event.recorded_at):
            rows.now(row)
            row.deposited = row.withdrawn = row.bought = row.sold = row.fees = NOTHING
            row.income = row.realised = NOTHING
            row.opening_cash, row.trades = row.closing_cash, 0
            row.first_position = rows.fact.log_position
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _nothing(account_id: UUID, at: datetime, position: int) -> StatementRow:
    return StatementRow(
        account_id=account_id,
        day=LATEST,
        opening_cash=NOTHING,
        closing_cash=NOTHING,
        deposited=NOTHING,
        withdrawn=NOTHING,
        bought=NOTHING,
        sold=NOTHING,
        fees=NOTHING,
        income=NOTHING,
        realised=NOTHING,
        trades=0,
        cost=NOTHING,
        invested=NOTHING,
        positions=[],
        first_position=position,
        updated_at=at,
        log_position=position,
    )


def _of_day(row: StatementRow) -> tuple[Key, StatementRow]:
    """The row of the day on which the account stands."""
    day = row.updated_at.replace(hour=0, minute=0, second=0, microsecond=0)
    return (row.account_id, day), replace(row, day=day)


def _is_same_day(one: datetime, other: datetime) -> bool:
    return one.day == other.day and -_DAY < other - one < _DAY


STATEMENTS_OF_ACCOUNT = Question(
    "statements",
    StatementRow,
    "account_id = %(account_id)s AND day >= %(since)s AND day < %(before)s ORDER BY day DESC LIMIT %(limit)s",
)
"""Newest day first; `before` is the day of the last row of the page before, at most LATEST."""

STATEMENT_AT = Question(
    "statements",
    StatementRow,
    "account_id = %(account_id)s AND day <= %(day)s ORDER BY day DESC LIMIT 1",
)
"""The day's row, or that of the last day before it on which something moved."""
