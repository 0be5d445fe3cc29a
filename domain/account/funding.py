"""Money that is on its way to a bank or came back from it, and what the customer owes when it was gone already.

A withdrawal takes its cash out of reach at once, and out of the account when the bank has paid. A deposit that a
bank takes back after it was completed is taken from what may be withdrawn; what is missing is owed to the firm,
which has given the bank its own money for it, and later deposits repay that first.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.aggregate import Event
from domain.values import NOTHING, Money

DEPOSIT_RETURNED = "deposit_returned"
WITHDRAWAL_RETURNED = "withdrawal_returned"


class Funding:
    """The part of an account that money comes into and goes out of."""

    __slots__ = ()

    withdrawals: dict[UUID, Money]
    owed: Money
    record: Any

    class WithdrawalHeld(Event, frozen=True, kw_only=True):
        """Cash is on its way out: neither spent nor withdrawn a second time."""

        transfer_id: UUID
        amount: Money

        def apply(self, account: Any) -> None:
            account.withdrawals[self.transfer_id] = self.amount
            account.withdrawing += self.amount

    class WithdrawalReleased(Event, frozen=True, kw_only=True):
        """Cash that was on its way out stays: the bank did not take it."""

        transfer_id: UUID
        amount: Money

        def apply(self, account: Any) -> None:
            account._pay_out(self.transfer_id)

    class WithdrawalPutBack(Event, frozen=True, kw_only=True):
        """A withdrawal that was paid came back; `repaid` of it went to what the customer owed."""

        transfer_id: UUID
        amount: Money
        repaid: Money = NOTHING

        def apply(self, account: Any) -> None:
            account._take_in(self.amount, repaid=self.repaid)

    class DepositTakenBack(Event, frozen=True, kw_only=True):
        """The bank took a completed deposit back. `owed` of it was no longer there: the customer owes it the firm."""

        transfer_id: UUID
        amount: Money
        owed: Money = NOTHING

        def apply(self, account: Any) -> None:
            account.cash -= self.amount - self.owed
            account.owed += self.owed

    def release_withdrawal(self, transfer_id: UUID, *, at: datetime) -> None:
        """Let cash stay that was on its way out; asking again changes nothing."""
        amount = self.withdrawals.get(transfer_id)
        if amount is not None:
            self.record(Funding.WithdrawalReleased, at=at, transfer_id=transfer_id, amount=amount)

    def put_back(self, amount: Money, *, transfer_id: UUID, at: datetime) -> None:
        """Take in a withdrawal that the bank returned."""
        repaid = min(amount, self.owed)
        self.record(Funding.WithdrawalPutBack, at=at, transfer_id=transfer_id, amount=amount, repaid=repaid)

    def take_back(self, amount: Money, *, transfer_id: UUID, there: Money, at: datetime) -> None:
        """Give a deposit back to the bank out of what is `there`; the rest is owed."""
        owed = max(amount - there, NOTHING)
        self.record(Funding.DepositTakenBack, at=at, transfer_id=transfer_id, amount=amount, owed=owed)
