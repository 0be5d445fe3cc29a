"""What each customer is paid in dividends, from the ex-date on."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question


class DividendRow(Struct):
    """One account's part of a dividend. `amount` is what came in, `withheld` what did not; None until it is paid."""

    account_id: UUID
    action_id: UUID
    symbol: str
    status: str
    quantity: Decimal
    rate: Decimal
    gross: Decimal
    withheld: Decimal | None
    amount: Decimal | None
    ex_date: date
    pay_date: date
    paid_at: datetime | None
    entitled_position: int
    log_position: int


_OF_DIVIDENDS = (Account.DividendEntitled, Account.DividendPaid, Account.Reversed)


class Dividends(Projection):
    """One row an account and dividend."""

    name = "dividends"
    version = 1
    row = DividendRow
    key_columns = ("account_id", "action_id")
    indexes = ("(account_id, entitled_position DESC)",)
    ignores = (
        *(kind for kind in Account.FACTS if kind not in _OF_DIVIDENDS),
        *Order.FACTS,
        *Position.FACTS,
        *Transfer.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Any, fact: Fact) -> Key:
        """By account and corporate action."""
        of = event.original if isinstance(event, Account.Reversed) else event
        return (event.account_id, getattr(getattr(of, "entitlement", of), "action_id", event.account_id))

    @on(Account.DividendEntitled)
    def entitled(self, event: Account.DividendEntitled, rows: Rows[DividendRow]) -> None:
        """It will be paid."""
        what, position = event.entitlement, rows.fact.log_position
        row = DividendRow(
            account_id=event.account_id,
            action_id=what.action_id,
            symbol=what.symbol,
            status="entitled",
            quantity=what.quantity,
            rate=what.rate,
            gross=what.gross,
            withheld=None,
            amount=None,
            ex_date=what.ex_date,
            pay_date=what.pay_date,
            paid_at=None,
            entitled_position=position,
            log_position=position,
        )
        rows.add(self.key(event, rows.fact), row)

    @on(Account.DividendPaid)
    def paid(self, event: Account.DividendPaid, rows: Rows[DividendRow]) -> None:
        """It was paid."""
        row = rows[self.key(event, rows.fact)]
        row.status, row.paid_at, row.log_position = "paid", event.recorded_at, rows.fact.log_position
        row.gross, row.amount, row.withheld = event.gross, event.amount, event.withheld

    @on(Account.Reversed)
    def reversed(self, event: Account.Reversed, rows: Rows[DividendRow]) -> None:
        """It was taken back; the right one, if any, follows at once."""
        if isinstance(event.original, Account.DividendPaid):
            row = rows[self.key(event, rows.fact)]
            row.status, row.log_position = "reversed", rows.fact.log_position
            row.amount = row.withheld = row.paid_at = None


DIVIDENDS_OF_ACCOUNT = Question(
    "dividends",
    DividendRow,
    "account_id = %(account_id)s AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s::text)"
    " AND entitled_position < %(before)s ORDER BY entitled_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the entitled_position of the last row of the page before, or 2^62."""
