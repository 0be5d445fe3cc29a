"""Whether an account may trade and pay out: suspensions by staff, and the blocks of surveillance, which end by themselves.

Of several suspensions the strictest holds: one for good outlasts a block, and what surveillance found keeps the need of
four eyes, whatever came before or after it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.aggregate import Event
from domain.errors import AccountMustBeOpenForTrading, ReinstatementMustBeApproved

SURVEILLANCE = "surveillance"
"""How the reason of a suspension begins that surveillance decided: ending it takes two members of staff."""

BLOCK_ENDED = "block_ended"
"""Why an account is reinstated whose block is over."""


class AccountStatus(StrEnum):
    """`open`: everything; `suspended`: deposits and cancels only; `closed`: nothing, for ever.

    Only a bank that returns a transfer reopens a closed account, as a suspended one.
    """

    OPEN = "open"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Blocking:
    """The part of an account that can be suspended."""

    __slots__ = ()

    status: AccountStatus
    suspended_for: str | None
    suspended_until: datetime | None
    record: Any
    require_not_closed: Any

    class Suspended(Event, frozen=True, kw_only=True):
        """Staff or surveillance stopped new orders and withdrawals: until a moment, or for good.

        What surveillance stopped keeps its reason, and with it the need of four eyes, whatever stops it once more.
        """

        reason: str
        until: datetime | None = None
        case_id: UUID | None = None  # of what surveillance found

        def apply(self, account: Any) -> None:
            if not account.is_blocked_by_surveillance or self.reason.startswith(SURVEILLANCE):
                account.suspended_for = self.reason
            account.status, account.suspended_until = AccountStatus.SUSPENDED, self.until

    class Reinstated(Event, frozen=True, kw_only=True):
        """Staff ended a suspension, or its time was over."""

        reason: str

        def apply(self, account: Any) -> None:
            account.status = AccountStatus.OPEN
            account.suspended_for = account.suspended_until = None

    def suspend(self, reason: str, *, at: datetime) -> None:
        """Stop new orders and withdrawals for good; asking again changes nothing."""
        self.require_not_closed()
        is_new = reason.startswith(SURVEILLANCE) and not self.is_blocked_by_surveillance
        if is_new or not self.is_suspended_for_good:
            self.record(Blocking.Suspended, at=at, reason=reason)

    def block(self, reason: str, *, until: datetime, case_id: UUID, at: datetime) -> None:
        """Stop new orders and withdrawals for what surveillance found, until a moment.

        A suspension that is there for good stays so, and takes two to end from now on; a closed account needs no block.
        """
        if self.status is AccountStatus.CLOSED or (
            self.is_suspended_for_good and self.is_blocked_by_surveillance
        ):
            return
        end = None if self.is_suspended_for_good else max(until, self.suspended_until or until)
        self.record(Blocking.Suspended, at=at, reason=reason, until=end, case_id=case_id)

    def end_block(self, *, at: datetime) -> None:
        """End a suspension whose time is over; without one there is nothing to record."""
        if (
            self.suspended_until is not None
            and self.status is AccountStatus.SUSPENDED
            and self.suspended_until <= at
        ):
            self.record(Blocking.Reinstated, at=at, reason=BLOCK_ENDED)

    def reinstate(self, reason: str, *, is_approved: bool = False, at: datetime) -> None:
        """End a suspension, one that surveillance decided only with two who want it; asking again changes nothing."""
        self.require_not_closed()
        if self.status is AccountStatus.SUSPENDED:
            if self.is_blocked_by_surveillance and not is_approved:
                raise ReinstatementMustBeApproved(
                    "surveillance blocked the account: two members of staff must agree"
                )
            self.record(Blocking.Reinstated, at=at, reason=reason)

    @property
    def is_blocked_by_surveillance(self) -> bool:
        """Whether it is suspended for what surveillance found."""
        return self.suspended_for is not None and self.suspended_for.startswith(SURVEILLANCE)

    @property
    def is_suspended_for_good(self) -> bool:
        """Whether it is suspended until somebody ends that."""
        return self.status is AccountStatus.SUSPENDED and self.suspended_until is None

    def require_open(self) -> None:
        """Refuse what only an account in good standing may do."""
        if self.status is not AccountStatus.OPEN:
            raise AccountMustBeOpenForTrading(f"the account is {self.status}{self._how_long}")

    @property
    def _how_long(self) -> str:
        """The warning to whoever is blocked for a time: until when, and what for."""
        if self.status is AccountStatus.CLOSED or self.suspended_until is None:
            return ""
        return f" until {self.suspended_until.isoformat(timespec='seconds')}: {self.suspended_for}"
