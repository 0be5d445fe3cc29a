"""What an account's owner is told of a day: cash at its beginning and end, what moved, and the shares at its end.

A day is one of UTC. Shares are valued at the price of the account's own last trade in them, as the log has no
quotes. The single movements are those of the activity table between the row's first and last log position.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.account import Account
from domain.aggregate import Event
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position
from domain.values import NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.shares import LATEST, Shares, changed, invested


class StatementRow(Struct):
    """An account's day. Closing is opening cash, and deposited, less withdrawn, less bought, and sold, less fees.

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
    version = 1
    row = StatementRow
    key_columns = ("account_id", "day")
    ignores = (
        Account.FundsHeld,
        Account.FundsReleased,
        Account.Suspended,
        Account.Reinstated,
        Account.Closed,
        *Order.FACTS,
        Position.SharesReserved,
        Position.SharesReleased,
        *Erasure.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """Where the account stands; the day's row is written from it."""
        return (event.account_id, LATEST)

    @on(Account.Opened)
    def opened(self, event: Account.Opened, rows: Rows[StatementRow]) -> None:
        """There is nothing yet."""
        row = _nothing(event.account_id, event.recorded_at, rows.fact.log_position)
        _keep(rows.add(self.key(event, rows.fact), row), event, rows)

    @on(Account.Deposited)
    def deposited(self, event: Account.Deposited, rows: Rows[StatementRow]) -> None:
        """Cash came in."""
        row = self._row(event, rows)
        row.closing_cash += event.amount
        row.deposited += event.amount
        _keep(row, event, rows)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[StatementRow]) -> None:
        """Cash went out."""
        row = self._row(event, rows)
        row.closing_cash -= event.amount
        row.withdrawn += event.amount
        _keep(row, event, rows)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[StatementRow]) -> None:
        """Shares were bought."""
        row = self._row(event, rows)
        row.closing_cash -= event.amount
        row.bought += event.amount
        row.trades += 1
        row.positions = changed(row.positions, event.symbol, quantity=event.quantity, price=event.price)
        _keep(row, event, rows)

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[StatementRow]) -> None:
        """Shares were sold."""
        row = self._row(event, rows)
        row.closing_cash += event.amount
        row.sold += event.amount
        row.trades += 1
        row.positions = changed(row.positions, event.symbol, quantity=-event.quantity, price=event.price)
        _keep(row, event, rows)

    @on(Position.LotOpened)
    def lot_opened(self, event: Position.LotOpened, rows: Rows[StatementRow]) -> None:
        """What the shares cost."""
        row = self._row(event, rows)
        row.cost += event.lot.cost
        row.positions = changed(row.positions, event.symbol, cost=event.lot.cost)
        _keep(row, event, rows)

    @on(Position.LotsRelieved)
    def lots_relieved(self, event: Position.LotsRelieved, rows: Rows[StatementRow]) -> None:
        """What the sold shares had cost, and the profit."""
        row = self._row(event, rows)
        row.cost -= event.cost
        row.realised += event.profit
        row.positions = changed(row.positions, event.symbol, cost=-event.cost)
        _keep(row, event, rows)

    def _row(self, event: Event, rows: Rows[StatementRow]) -> StatementRow:
        """Where the account stands, its day's sums begun anew with a new day."""
        row = rows[self.key(event, rows.fact)]
        if _day(row.updated_at) != _day(event.recorded_at):
            row.deposited = row.withdrawn = row.bought = row.sold = row.fees = row.realised = NOTHING
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
        realised=NOTHING,
        trades=0,
        cost=NOTHING,
        invested=NOTHING,
        positions=[],
        first_position=position,
        updated_at=at,
        log_position=position,
    )


def _keep(row: StatementRow, event: Event, rows: Rows[StatementRow]) -> None:
    row.invested = invested(row.positions)
    day = _day(event.recorded_at)
    rows.add((row.account_id, day), replace(row, day=day))


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


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
