"""What has yet to settle, and what has settled, by account and day."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
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
from domain.transfer import Transfer
from domain.values import NOTHING
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question


class Settlement(Struct):
    """All trades of an account that settle on one day, in dollars after charges. `settled_at` is None until then.

    An execution that was reversed is not among them; reversed after it had settled, it goes back with the opposite
    sign on a later day, as a trade of that day.
    """

    account_id: UUID
    settles_on: date
    proceeds: Decimal
    purchases: Decimal
    trades: int
    settled_at: datetime | None
    updated_at: datetime
    log_position: int


_DUE = (Account.PurchaseDebited, Account.SaleCredited, Account.Settled, Account.Reversed)


class Settlements(Projection):
    """One row an account and settlement date."""

    name = "settlements"
    version = 1
    row = Settlement
    key_columns = ("account_id", "settles_on")
    indexes = ("(settles_on, account_id) WHERE settled_at IS NULL",)
    ignores = (
        *(kind for kind in Account.FACTS if kind not in _DUE),
        *Order.FACTS,
        *Position.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By account and day."""
        return (event.account_id, _day_of(event))

    @on(Account.PurchaseDebited)
    def purchased(self, event: Account.PurchaseDebited, rows: Rows[Settlement]) -> None:
        """A purchase will be paid."""
        row = self._row(event, rows)
        row.purchases += event.amount
        row.trades += 1

    @on(Account.SaleCredited)
    def sold(self, event: Account.SaleCredited, rows: Rows[Settlement]) -> None:
        """Proceeds will come."""
        row = self._row(event, rows)
        row.proceeds += event.amount
        row.trades += 1

    @on(Account.Settled)
    def settled(self, event: Account.Settled, rows: Rows[Settlement]) -> None:
        """Both changed hands."""
        self._row(event, rows).settled_at = event.recorded_at

    @on(Account.Reversed)
    def reversed(self, event: Account.Reversed, rows: Rows[Settlement]) -> None:
        """An execution is taken back: it is no longer due, or goes back when it had settled."""
        wrong = event.original
        if not isinstance(wrong, Account.PurchaseDebited | Account.SaleCredited):
            return
        row = self._row(event, rows)
        if isinstance(wrong, Account.PurchaseDebited):
            row.purchases -= wrong.amount
        else:
            row.proceeds -= wrong.amount
        row.trades += -1 if event.settles_on is None else 1

    def _row(self, event: Event, rows: Rows[Settlement]) -> Settlement:
        key, at, position = (event.account_id, _day_of(event)), event.recorded_at, rows.fact.log_position
        row = rows.get(key)
        if row is None:
            row = rows.add(key, Settlement(*key, NOTHING, NOTHING, 0, None, at, position))
        row.updated_at, row.log_position = at, position
        if not isinstance(event, Account.Settled):
            row.settled_at = None  # traded for a day that had been settled: it is due again
        return row


def _day_of(event: Any) -> date:
    """The day on which it settles; of a reversal that settles nothing, the day it was recorded."""
    if isinstance(event, Account.Reversed):
        event = event if event.settles_on else event.original
    day: date = getattr(event, "settles_on", event.recorded_at.date())
    return day


DUE_THROUGH = Question(
    "settlements",
    Settlement,
    "settled_at IS NULL AND settles_on <= %(day)s AND (settles_on, account_id) > (%(after_day)s, %(after_account)s)"
    " ORDER BY settles_on, account_id LIMIT %(limit)s",
)
"""What is due, oldest first; `after_day` and `after_account` are those of the last row of the page before."""

SETTLEMENTS_OF_ACCOUNT = Question(
    "settlements",
    Settlement,
    "account_id = %(account_id)s AND settles_on < %(before)s ORDER BY settles_on DESC LIMIT %(limit)s",
)
"""Newest day first; `before` is the day of the last row of the page before."""
