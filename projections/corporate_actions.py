"""Every dividend and split that was announced, and how far it is."""

from datetime import date, datetime
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
from domain.transfer import Transfer
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question


class ActionRow(Struct):
    """One corporate action. `accounts` and `amount` are of those who get it, None while they are not known.

    A dividend has a rate in dollars a share, a record and a pay date; a split `numerator` new shares for
    `denominator` old ones, and what a fraction of a new share is paid with.
    """

    action_id: UUID
    account_id: UUID
    kind: str
    symbol: str
    status: str
    ex_date: date
    rate: Decimal | None
    record_date: date | None
    pay_date: date | None
    numerator: int | None
    denominator: int | None
    cash_in_lieu: Decimal | None
    reason: str | None
    accounts: int | None
    amount: Decimal | None
    announced_at: datetime
    updated_at: datetime
    announced_position: int
    log_position: int


class CorporateActions(Projection):
    """One row a corporate action."""

    name = "corporate_actions"
    version = 1
    row = ActionRow
    key_columns = ("action_id",)
    indexes = ("(announced_position DESC)", "(symbol, announced_position DESC)")
    ignores = (
        *Account.FACTS,
        *Order.FACTS,
        *Position.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Event, fact: Fact) -> Key:
        """By action."""
        return (event.originator_id,)

    @on(CorporateAction.DividendAnnounced)
    def dividend(self, event: CorporateAction.DividendAnnounced, rows: Rows[ActionRow]) -> None:
        """A dividend begins."""
        row = _born(event, "dividend", event.symbol, event.ex_date, rows.fact)
        row.rate, row.record_date, row.pay_date = event.rate, event.record_date, event.pay_date
        rows.add((row.action_id,), row)

    @on(CorporateAction.SplitAnnounced)
    def split(self, event: CorporateAction.SplitAnnounced, rows: Rows[ActionRow]) -> None:
        """A split begins."""
        row = _born(event, "split", event.symbol, event.ex_date, rows.fact)
        row.numerator, row.denominator = event.numerator, event.denominator
        row.cash_in_lieu = event.cash_in_lieu
        rows.add((row.action_id,), row)

    @on(CorporateAction.Begun)
    def begun(self, event: CorporateAction.Begun, rows: Rows[ActionRow]) -> None:
        """Accounts are being worked on."""
        self._row(event, rows, "begun")

    @on(CorporateAction.EntitlementsFixed)
    def fixed(self, event: CorporateAction.EntitlementsFixed, rows: Rows[ActionRow]) -> None:
        """Who will be paid is known."""
        row = self._row(event, rows, "entitled")
        row.accounts, row.amount = event.accounts, event.amount

    @on(CorporateAction.Completed)
    def completed(self, event: CorporateAction.Completed, rows: Rows[ActionRow]) -> None:
        """Every account has it behind it."""
        self._row(event, rows, "completed").accounts = event.accounts

    @on(CorporateAction.Cancelled)
    def cancelled(self, event: CorporateAction.Cancelled, rows: Rows[ActionRow]) -> None:
        """It will not happen."""
        self._row(event, rows, "cancelled").reason = event.reason

    def _row(self, event: Event, rows: Rows[ActionRow], status: str) -> ActionRow:
        row = rows[(event.originator_id,)]
        row.status, row.updated_at, row.log_position = status, event.recorded_at, rows.fact.log_position
        return row


def _born(event: Event, kind: str, symbol: str, ex_date: date, fact: Fact) -> ActionRow:
    return ActionRow(
        action_id=event.originator_id,
        account_id=event.account_id,
        kind=kind,
        symbol=symbol,
        status="announced",
        ex_date=ex_date,
        rate=None,
        record_date=None,
        pay_date=None,
        numerator=None,
        denominator=None,
        cash_in_lieu=None,
        reason=None,
        accounts=None,
        amount=None,
        announced_at=event.recorded_at,
        updated_at=event.recorded_at,
        announced_position=fact.log_position,
        log_position=fact.log_position,
    )


CORPORATE_ACTION = Lookup("corporate_actions", ActionRow, by=("action_id",))
CORPORATE_ACTIONS = Question(
    "corporate_actions",
    ActionRow,
    "(%(symbol)s::text IS NULL OR symbol = %(symbol)s::text)"
    " AND (%(status)s::text[] IS NULL OR status = ANY(%(status)s::text[]))"
    " AND announced_position < %(before)s ORDER BY announced_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the announced_position of the last row of the page before, or 2^62."""
