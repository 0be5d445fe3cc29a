"""An account's worth over time: cash, shares and what moved between them, minute by minute.

Shares are valued at the price of the account's own last trade in them: the log knows no quotes, and a row is
a function of the log alone. Between two trades of a symbol its shares keep that value.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.account import Account
from domain.aggregate import Event
from domain.position import Position
from domain.values import NOTHING
from projections import worth
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.shares import LATEST, Shares
from projections.worth import UNMOVED

_MINUTE = timedelta(minutes=1)


class EquityRow(Struct):
    """An account at the end of the minute that begins `at`; what was paid in, out and realised is of that minute.

    The row at `LATEST` is where the account stands. It alone holds the `positions` the others are worked out of.
    """

    account_id: UUID
    at: datetime
    cash: Decimal
    cost: Decimal
    invested: Decimal
    deposited: Decimal
    withdrawn: Decimal
    realised: Decimal
    positions: list[Shares]
    updated_at: datetime
    log_position: int


class History(Projection):
    """One row an account and minute in which its cash or shares moved, and one for where it stands."""

    name = "history"
    version = 2  # 2: transfers that a bank returned, income, splits
    row = EquityRow
    key_columns = ("account_id", "at")
    ignores = UNMOVED

    def key(self, event: Event, fact: Fact) -> Key:
        """Where the account stands; the minute's row is written from it."""
        return (event.account_id, LATEST)

    @on(Account.Opened)
    def opened(self, event: Account.Opened, rows: Rows[EquityRow]) -> None:
        """There is nothing yet."""
        row = _nothing(event.account_id, event.recorded_at, rows.fact.log_position)
        rows.later(rows.add(self.key(event, rows.fact), row), _of_minute)

    @on(Account.Deposited, Account.WithdrawalPutBack)
    def deposited(self, event: Account.Deposited | Account.WithdrawalPutBack, rows: Rows[EquityRow]) -> None:
        """Cash came in, less what repaid a debt."""
        row, amount = self._row(event, rows), event.amount - event.repaid
        row.cash += amount
        row.deposited += amount
        rows.later(row, _of_minute)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[EquityRow]) -> None:
        """Cash went out."""
        row = self._row(event, rows)
        row.cash -= event.amount
        row.withdrawn += event.amount
        rows.later(row, _of_minute)

    @on(Account.DepositTakenBack)
    def taken_back(self, event: Account.DepositTakenBack, rows: Rows[EquityRow]) -> None:
        """A bank took a deposit back: what was there of it went out."""
        row, amount = self._row(event, rows), event.amount - event.owed
        row.cash -= amount
        row.withdrawn += amount
        rows.later(row, _of_minute)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[EquityRow]) -> None:
        """Cash became shares."""
        row = self._row(event, rows)
        row.cash -= event.amount
        worth.trade(row, event.symbol, event.quantity, event.price)
        rows.later(row, _of_minute)

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[EquityRow]) -> None:
        """Shares became cash."""
        row = self._row(event, rows)
        row.cash += event.amount
        worth.trade(row, event.symbol, -event.quantity, event.price)
        rows.later(row, _of_minute)

    @on(Account.DividendPaid, Account.InterestPaid)
    def received(self, event: Account.DividendPaid | Account.InterestPaid, rows: Rows[EquityRow]) -> None:
        """Income came in."""
        row = self._row(event, rows)
        row.cash += event.amount
        rows.later(row, _of_minute)

    @on(Account.Reversed)
    def reversed(self, event: Account.Reversed, rows: Rows[EquityRow]) -> None:
        """What a fact did to cash and shares is taken back, on the day it is recorded."""
        row, wrong = self._row(event, rows), event.original
        row.cash -= wrong.brought
        if isinstance(wrong, Account.Deposited):
            row.deposited -= wrong.brought
        elif isinstance(wrong, Account.Withdrawn):
            row.withdrawn -= wrong.amount
        worth.take_back_trade(row, wrong)
        rows.later(row, _of_minute)

    @on(Position.Reversed)
    def execution_reversed(self, event: Position.Reversed, rows: Rows[EquityRow]) -> None:
        """What an execution did to the cost of shares is taken back, and the profit."""
        row, wrong = self._row(event, rows), event.original
        worth.take_back_cost(row, wrong)
        rows.later(row, _of_minute)

    @on(Account.SharesSplit)
    def shares_split(self, event: Account.SharesSplit, rows: Rows[EquityRow]) -> None:
        """Shares became more, or fewer, and are worth the same."""
        row = self._row(event, rows)
        worth.split(row, event)
        rows.later(row, _of_minute)

    @on(Account.CashInLieuPaid)
    def fraction_paid(self, event: Account.CashInLieuPaid, rows: Rows[EquityRow]) -> None:
        """The fraction of a share became cash."""
        row = self._row(event, rows)
        row.cash += event.amount
        worth.lose_fraction(row, event)
        rows.later(row, _of_minute)

    @on(Position.LotOpened)
    def lot_opened(self, event: Position.LotOpened, rows: Rows[EquityRow]) -> None:
        """What the shares cost."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, event.lot.cost)
        rows.later(row, _of_minute)

    @on(Position.LotsRelieved, Position.FractionCashed)
    def lots_relieved(
        self, event: Position.LotsRelieved | Position.FractionCashed, rows: Rows[EquityRow]
    ) -> None:
        """What the sold shares had cost, and the profit."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, -event.cost, realised=event.profit)
        rows.later(row, _of_minute)

    @on(Position.WashSaleDisallowed)
    def disallowed(self, event: Position.WashSaleDisallowed, rows: Rows[EquityRow]) -> None:
        """A loss that is not allowed is a cost of the shares that replaced the sold ones."""
        row = self._row(event, rows)
        worth.cost(row, event.symbol, event.disallowed, realised=event.disallowed)
        rows.later(row, _of_minute)

    def _row(self, event: Event, rows: Rows[EquityRow]) -> EquityRow:
        """Where the account stands, its minute's sums begun anew with a new minute."""
        row = rows[self.key(event, rows.fact)]
        if not _is_same_minute(row.updated_at, event.recorded_at):
            rows.now(row)
            row.deposited = row.withdrawn = row.realised = NOTHING
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _nothing(account_id: UUID, at: datetime, position: int) -> EquityRow:
    return EquityRow(
        account_id=account_id,
        at=LATEST,
        cash=NOTHING,
        cost=NOTHING,
        invested=NOTHING,
        deposited=NOTHING,
        withdrawn=NOTHING,
        realised=NOTHING,
        positions=[],
        updated_at=at,
        log_position=position,
    )


def _of_minute(row: EquityRow) -> tuple[Key, EquityRow]:
    """The row of the minute in which the account stands."""
    minute = row.updated_at.replace(second=0, microsecond=0)
    return (row.account_id, minute), replace(row, at=minute, positions=[])


def _is_same_minute(one: datetime, other: datetime) -> bool:
    return one.minute == other.minute and -_MINUTE < other - one < _MINUTE


INTERVALS = ("minute", "hour", "day", "week", "month", "year")
"""What minutes can be put together to: spans of UTC, weeks beginning on Monday."""


class EquityPoint(Struct, frozen=True):
    """An account at the end of the interval that begins `at`, in dollars; sums are of the interval."""

    at: datetime
    cash: Decimal
    cost: Decimal
    invested: Decimal
    equity: Decimal
    deposited: Decimal
    withdrawn: Decimal
    realised: Decimal
    log_position: int


EQUITY_OF_ACCOUNT = Question(
    "history",
    EquityPoint,
    "account_id = %(account_id)s AND at >= %(since)s AND at < %(before)s"
    " GROUP BY 1 ORDER BY 1 DESC LIMIT %(limit)s",
    select="date_trunc(%(interval)s, at, 'UTC'),"
    " (array_agg(cash ORDER BY at DESC))[1], (array_agg(cost ORDER BY at DESC))[1],"
    " (array_agg(invested ORDER BY at DESC))[1], (array_agg(cash + invested ORDER BY at DESC))[1],"
    " sum(deposited), sum(withdrawn), sum(realised), max(log_position)",
)
"""Newest interval first, those in which nothing moved left out; `interval` is one of INTERVALS. `since` and
`before` (at most LATEST) are beginnings of intervals, `before` that of the last one of the page before."""

EQUITY_NOW = Question("history", EquityRow, "account_id = %(account_id)s ORDER BY at DESC LIMIT 1")
"""Where the account stands."""
