"""The bank as a port: transfers are given to it, and it has news of them later."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from domain.transfer import Direction, TransferStatus
from domain.values import Money


class SentTransfer(Struct, frozen=True, kw_only=True):
    """A transfer as the bank knows it. `completed_at` is None until the bank has done it."""

    transfer_id: UUID
    account_id: UUID
    direction: Direction
    amount: Money
    initiated_at: datetime
    due_at: datetime
    completed_at: datetime | None = None


class News(Struct, frozen=True):
    """What has become of a transfer: `completed`, `failed` or `returned`, the last two with a reason, a code."""

    status: TransferStatus
    reason: str = ""


class Bank(Protocol):
    """Moves money between customers' banks and ours. The same question has the same answer: it may be asked again."""

    def news(self, transfer: SentTransfer, *, now: datetime) -> News | None:
        """What has become of a transfer by now; None while there is nothing to tell."""

    def return_cents(self) -> tuple[int, ...]:
        """The cents of amounts that may still come back after they were completed; empty when none is known to."""
