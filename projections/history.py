"""An account's worth over time: cash, shares and what moved between them, minute by minute.

Shares are valued at the price of the account's own last trade in them: the log knows no quotes, and a row is
a function of the log alone. Between two trades of a symbol its shares keep that value.
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
    version = 1
    row = EquityRow
    key_columns = ("account_id", "at")
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
        """Where the account stands; the minute's row is written from it."""
        return (event.account_id, LATEST)

    @on(Account.Opened)
    def opened(self, event: Account.Opened, rows: Rows[EquityRow]) -> None:
        """There is nothing yet."""
        row = _nothing(event.account_id, event.recorded_at, rows.fact.log_position)
        _keep(rows.add(self.key(event, rows.fact), row), event, rows)

    @on(Account.Deposited)
    def deposited(self, event: Account.Deposited, rows: Rows[EquityRow]) -> None:
        """Cash came in."""
        row = self._row(event, rows)
        row.cash += event.amount
        row.deposited += event.amount
        _keep(row, event, rows)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[EquityRow]) -> None:
        """Cash went out."""
        row = self._row(event, rows)
        row.cash -= event.amount
        row.withdrawn += event.amount
        _keep(row, event, rows)

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[EquityRow]) -> None:
        """Cash became shares."""
        row = self._row(event, rows)
        row.cash -= event.amount
        row.positions = changed(row.positions, event.symbol, quantity=event.quantity, price=event.price)
        _keep(row, event, rows)

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[EquityRow]) -> None:
        """Shares became cash."""
        row = self._row(event, rows)
        row.cash += event.amount
        row.positions = changed(row.positions, event.symbol, quantity=-event.quantity, price=event.price)
        _keep(row, event, rows)

    @on(Position.LotOpened)
    def lot_opened(self, event: Position.LotOpened, rows: Rows[EquityRow]) -> None:
        """What the shares cost."""
        row = self._row(event, rows)
        row.cost += event.lot.cost
        row.positions = changed(row.positions, event.symbol, cost=event.lot.cost)
        _keep(row, event, rows)

    @on(Position.LotsRelieved)
    def lots_relieved(self, event: Position.LotsRelieved, rows: Rows[EquityRow]) -> None:
        """What the sold shares had cost, and the profit."""
        row = self._row(event, rows)
        row.cost -= event.cost
        row.realised += event.profit
        row.positions = changed(row.positions, event.symbol, cost=-event.cost)
        _keep(row, event, rows)

    def _row(self, event: Event, rows: Rows[EquityRow]) -> EquityRow:
        """Where the account stands, its minute's sums begun anew with a new minute."""
        row = rows[self.key(event, rows.fact)]
        if _minute(row.updated_at) != _minute(event.recorded_at):
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


def _keep(row: EquityRow, event: Event, rows: Rows[EquityRow]) -> None:
    row.invested = invested(row.positions)
    minute = _minute(event.recorded_at)
    rows.add((row.account_id, minute), replace(row, at=minute, positions=[]))


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


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
