"""The commands of surveillance and of the compliance desk: cases, and the blocks that come with some of them."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from application.commands import Command, Stream
from domain.account import Account
from domain.case import Alert, Case, Resolution


class CaseCommand(Command, frozen=True, kw_only=True):
    """An order to Daybook concerning one case."""

    case_id: UUID

    def streams(self) -> Iterator[Stream]:
        """The case."""
        yield Case, self.case_id


class OpenCase(CaseCommand, frozen=True, kw_only=True):
    """Keep an alert, and block the account for so long when it is to be blocked and the alert is younger than that."""

    alert: Alert
    block_for: timedelta | None = None

    @classmethod
    def of(cls, alert: Alert, *, block_for: timedelta | None) -> "OpenCase":
        """The command that keeps an alert; told again, it changes nothing."""
        return cls(account_id=alert.account_id, case_id=alert.case_id, alert=alert, block_for=block_for)

    def streams(self) -> Iterator[Stream]:
        """The case, and the account that may be blocked."""
        yield Case, self.case_id
        yield Account, self.account_id


class AssignCase(CaseCommand, frozen=True, kw_only=True):
    """Give a case to a member of staff."""

    assignee_id: UUID


class NoteCase(CaseCommand, frozen=True, kw_only=True):
    """Write something into a case, for ever."""

    text: str


class CloseCase(CaseCommand, frozen=True, kw_only=True):
    """Say what a case came to, and why."""

    resolution: Resolution
    reason: str


class EndBlock(Command, frozen=True, kw_only=True):
    """Reinstate an account whose block is over; another one stays as it is."""
