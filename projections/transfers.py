"""Every transfer between an account and a bank, and where it stands."""

from datetime import datetime
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
from domain.transfer import Direction, Transfer, TransferStatus
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question


class TransferRow(Struct):
    """One transfer. `due_at` is when a bank is to have done it, None for one made at once; `reason` is a code."""

    transfer_id: UUID
    account_id: UUID
    direction: str
    amount: Decimal
    status: str
    reason: str | None
    initiated_at: datetime
    due_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    returned_at: datetime | None
    updated_at: datetime
    first_position: int
    log_position: int


class Transfers(Projection):
    """One row a transfer, those made at once too."""

    name = "transfers"
    version = 1
    row = TransferRow
    key_columns = ("transfer_id",)
    indexes = (
        "(account_id, first_position DESC)",
        "(first_position DESC)",
        "(due_at) WHERE status = 'initiated'",
        "((amount % 1), completed_at) WHERE status = 'completed' AND due_at IS NOT NULL",
    )
    ignores = (
        *(kind for kind in Account.FACTS if kind not in (Account.Deposited, Account.Withdrawn)),
        *Order.FACTS,
        *Position.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Erasure.FACTS,
        *Case.FACTS,
    )

    def key(self, event: Any, fact: Fact) -> Key:
        """By transfer."""
        return (getattr(event, "transfer_id", event.originator_id),)

    @on(Transfer.Initiated)
    def initiated(self, event: Transfer.Initiated, rows: Rows[TransferRow]) -> None:
        """A bank was asked for it."""
        row = _born(event, event.originator_id, event.direction, event.amount, rows.fact.log_position)
        row.due_at = event.due_at
        rows.add((row.transfer_id,), row)

    @on(Account.Deposited)
    def deposited(self, event: Account.Deposited, rows: Rows[TransferRow]) -> None:
        """Money came in, at once unless a bank had been asked."""
        _made_at_once(event, Direction.DEPOSIT, rows)

    @on(Account.Withdrawn)
    def withdrawn(self, event: Account.Withdrawn, rows: Rows[TransferRow]) -> None:
        """Money went out, at once unless a bank had been asked."""
        _made_at_once(event, Direction.WITHDRAWAL, rows)

    @on(Transfer.Completed)
    def completed(self, event: Transfer.Completed, rows: Rows[TransferRow]) -> None:
        """The bank did it."""
        row = self._row(event, rows)
        row.status, row.completed_at = TransferStatus.COMPLETED.value, event.recorded_at

    @on(Transfer.Failed)
    def failed(self, event: Transfer.Failed, rows: Rows[TransferRow]) -> None:
        """The bank did not do it."""
        row = self._row(event, rows)
        row.status, row.failed_at, row.reason = TransferStatus.FAILED.value, event.recorded_at, event.reason

    @on(Transfer.Returned)
    def returned(self, event: Transfer.Returned, rows: Rows[TransferRow]) -> None:
        """The bank took it back."""
        row = self._row(event, rows)
        row.status, row.returned_at = TransferStatus.RETURNED.value, event.recorded_at
        row.reason = event.reason

    def _row(self, event: Event, rows: Rows[TransferRow]) -> TransferRow:
        row = rows[(event.originator_id,)]
        row.updated_at, row.log_position = event.recorded_at, rows.fact.log_position
        return row


def _made_at_once(
    event: Account.Deposited | Account.Withdrawn, direction: Direction, rows: Rows[TransferRow]
) -> None:
    if rows.get((event.transfer_id,)) is not None:
        return  # a bank was asked: what becomes of it is told by facts of the transfer
    row = _born(event, event.transfer_id, direction, event.amount, rows.fact.log_position)
    row.status, row.completed_at = TransferStatus.COMPLETED.value, event.recorded_at
    rows.add((row.transfer_id,), row)


def _born(
    event: Event, transfer_id: UUID, direction: Direction, amount: Decimal, position: int
) -> TransferRow:
    return TransferRow(
        transfer_id=transfer_id,
        account_id=event.account_id,
        direction=direction.value,
        amount=amount,
        status=TransferStatus.INITIATED.value,
        reason=None,
        initiated_at=event.recorded_at,
        due_at=None,
        completed_at=None,
        failed_at=None,
        returned_at=None,
        updated_at=event.recorded_at,
        first_position=position,
        log_position=position,
    )


TRANSFER_OF_ACCOUNT = Lookup("transfers", TransferRow, by=("transfer_id", "account_id"))
TRANSFER = Lookup("transfers", TransferRow, by=("transfer_id",))

TRANSFERS_OF_ACCOUNT = Question(
    "transfers",
    TransferRow,
    "account_id = %(account_id)s AND (%(status)s::text[] IS NULL OR status = ANY(%(status)s::text[]))"
    " AND (%(direction)s::text IS NULL OR direction = %(direction)s::text)"
    " AND first_position < %(before)s ORDER BY first_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the first_position of the last row of the page before, or 2^62."""

TRANSFERS_OF_FIRM = Question(
    "transfers",
    TransferRow,
    "(%(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid)"
    " AND (%(status)s::text[] IS NULL OR status = ANY(%(status)s::text[]))"
    " AND first_position < %(before)s ORDER BY first_position DESC LIMIT %(limit)s",
)
"""The same over all accounts, or one."""

TRANSFERS_DUE = Question(
    "transfers",
    TransferRow,
    "status = 'initiated' AND due_at <= %(moment)s ORDER BY due_at, first_position LIMIT %(limit)s",
)
"""What a bank is to have done by a moment."""

TRANSFERS_THAT_MAY_COME_BACK = Question(
    "transfers",
    TransferRow,
    "status = 'completed' AND due_at IS NOT NULL AND amount %% 1 = ANY(%(parts)s::numeric[])"
    " AND completed_at <= %(moment)s ORDER BY completed_at, first_position LIMIT %(limit)s",
)
"""What a bank has completed by a moment, of amounts with these parts of a dollar."""
