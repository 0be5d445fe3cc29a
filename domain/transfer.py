"""A transfer: money on its way in from a bank, or out to it.

The life of a transfer, as a table: the status it is in, what may happen then, and the status after. Money moves
in the account, with facts of its own, in the same decision. A transfer that is made at once has no stream: the
account's `Deposited` or `Withdrawn` is all there is of it, until a bank takes it back.
"""

from datetime import datetime
from enum import StrEnum

from domain.aggregate import Aggregate, Event
from domain.errors import TransferMustAllow
from domain.values import NOTHING, Money


class Direction(StrEnum):
    """Which way the money goes, seen from the account."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class TransferStatus(StrEnum):
    """Where a transfer stands."""

    INITIATED = "initiated"
    COMPLETED = "completed"
    FAILED = "failed"
    RETURNED = "returned"


S = TransferStatus

LIFE: dict[TransferStatus | None, dict[str, TransferStatus]] = {
    None: {"Initiated": S.INITIATED, "Returned": S.RETURNED},
    S.INITIATED: {"Completed": S.COMPLETED, "Failed": S.FAILED},
    S.COMPLETED: {"Returned": S.RETURNED},
    S.FAILED: {},
    S.RETURNED: {},
}


class Transfer(Aggregate, kw_only=True):
    """Money between an account and a bank. `reason` says why it failed or was returned: a code."""

    direction: Direction | None = None
    amount: Money = NOTHING
    status: TransferStatus | None = None
    reason: str | None = None

    # What has happened. Stored for ever, replayed often: never refuses.

    class Initiated(Event, frozen=True, kw_only=True):
        """The bank was asked for it; it is to be done by `due_at`."""

        direction: Direction
        amount: Money
        due_at: datetime

        def apply(self, transfer: "Transfer") -> None:
            transfer.direction, transfer.amount = self.direction, self.amount
            transfer.status = S.INITIATED

    class Completed(Event, frozen=True, kw_only=True):
        """The bank did it."""

        def apply(self, transfer: "Transfer") -> None:
            transfer.status = S.COMPLETED

    class Failed(Event, frozen=True, kw_only=True):
        """The bank did not do it."""

        reason: str

        def apply(self, transfer: "Transfer") -> None:
            transfer.status, transfer.reason = S.FAILED, self.reason

    class Returned(Event, frozen=True, kw_only=True):
        """The bank took back what it had done. `amount` and `direction` are told again for one made at once."""

        direction: Direction
        amount: Money
        reason: str

        def apply(self, transfer: "Transfer") -> None:
            transfer.direction, transfer.amount = self.direction, self.amount
            transfer.status, transfer.reason = S.RETURNED, self.reason

    # What may be decided. Check every rule, then record one fact. Each answers whether there was anything to do.

    def initiate(self, direction: Direction, amount: Money, *, due_at: datetime, at: datetime) -> bool:
        """Ask the bank; asked again with the same id, it changes nothing."""
        if self.status is not None:
            return False
        self.record(Transfer.Initiated, at=at, direction=direction, amount=amount, due_at=due_at)
        return True

    def complete(self, *, at: datetime) -> bool:
        """Note that the bank did it; told again, it changes nothing. Raises TransferMustAllow."""
        if self.status in (S.COMPLETED, S.RETURNED):
            return False
        self._require("Completed")
        self.record(Transfer.Completed, at=at)
        return True

    def fail(self, reason: str, *, at: datetime) -> bool:
        """Note that the bank did not do it; told again, it changes nothing. Raises TransferMustAllow."""
        if self.status is S.FAILED:
            return False
        self._require("Failed")
        self.record(Transfer.Failed, at=at, reason=reason)
        return True

    def give_back(self, reason: str, *, direction: Direction, amount: Money, at: datetime) -> bool:
        """Note that the bank took it back; told again, it changes nothing. Raises TransferMustAllow.

        `direction` and `amount` are those of a transfer made at once; one with a stream knows its own.
        """
        if self.status is S.RETURNED:
            return False
        self._require("Returned")
        self.record(
            Transfer.Returned,
            at=at,
            direction=self.direction or direction,
            amount=self.amount or amount,
            reason=reason,
        )
        return True

    # What may be asked.

    @property
    def is_deposit(self) -> bool:
        """Whether it brings money in."""
        return self.direction is Direction.DEPOSIT

    def _require(self, fact: str) -> None:
        if fact not in LIFE[self.status]:
            raise TransferMustAllow(f"the transfer is {self.status or 'not known'}")

    FACTS = (Initiated, Completed, Failed, Returned)
