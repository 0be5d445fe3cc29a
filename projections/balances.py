"""What each customer has, what is held, and what may be spent."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position
from domain.values import NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup


class Balance(Struct):
    """One account's cash in dollars. `held` is promised to open orders."""

    account_id: UUID
    owner_id: UUID
    status: str
    opened_at: datetime
    cash: Decimal
    held: Decimal
    updated_at: datetime
    log_position: int


class Balances(Projection):
    """One row an account."""

    name = "balances"
    version = 1
    row = Balance
    key_columns = ("account_id",)
    ignores = (*Order.FACTS, *Position.FACTS, *Erasure.FACTS)

    def key(self, event: Event, fact: Fact) -> Key:
        """By account."""
        return (event.account_id,)

    @on(Account.Opened)
    def opened(self, event: Account.Opened, rows: Rows[Balance]) -> None:
        """A row begins with nothing in it."""
        at = event.recorded_at
        position = rows.fact.log_position
        balance = Balance(event.account_id, event.owner_id, "open", at, NOTHING, NOTHING, at, position)
        rows.add((event.account_id,), balance)

    @on(Account.Deposited)
    def deposited(self, event: Account.Deposited, rows: Rows[Balance]) -> None:
        """Cash grows."""
        self._row(event, rows).cash += event.amount

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[Balance]) -> None:
        """Cash shrinks."""
        self._row(event, rows).cash -= event.amount

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
        """Proceeds come in."""
        self._row(event, rows).cash += event.amount

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

    def _row(self, event: Event, rows: Rows[Balance]) -> Balance:
        row = rows[(event.account_id,)]
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


BALANCE_OF_ACCOUNT = Lookup("balances", Balance, by=("account_id",))
