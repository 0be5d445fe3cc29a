"""The awakening of a dormant account: nobody used it for long, and then it trades, or money leaves it."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from application.surveillance.facts import OF_CUSTOMERS, Seen, traded
from application.surveillance.thresholds import Thresholds
from domain.account import Account
from domain.case import Alert, AlertKind, Evidence, Severity

_DAY_S = Decimal(86_400)


class Awakening(Struct, frozen=True, kw_only=True, gc=False):
    """An account was used at `at`, for the first time since `used_at`."""

    used_at: datetime
    used_position: int
    at: datetime
    woken_by: Evidence


class DormantAwakening(Struct, kw_only=True):
    """When each account was last used by its customer, and which have been woken lately.

    What the customer did not do wakes nobody: a dividend, or an old order that trades at last.
    """

    used: dict[UUID, tuple[datetime, int]] = {}
    woken: dict[UUID, Awakening] = {}

    def take_in(self, seen: Seen, thresholds: Thresholds) -> Iterator[Alert]:
        """Look at an event."""
        event = seen.event
        if seen.by_customer and isinstance(event, OF_CUSTOMERS):
            self._used(seen, thresholds)
        is_withdrawal = _is_withdrawal(event)
        if is_withdrawal or traded(event) is not None:
            woken = self.woken.pop(event.account_id, None)
            if woken is not None and event.recorded_at - woken.at <= thresholds.dormant_watched_for:
                yield _alert(woken, seen, thresholds, is_withdrawal=is_withdrawal)

    def _used(self, seen: Seen, thresholds: Thresholds) -> None:
        event = seen.event
        before = self.used.get(event.account_id)
        if before is not None and event.recorded_at - before[0] >= thresholds.dormant_for:
            self.woken[event.account_id] = Awakening(
                used_at=before[0], used_position=before[1], at=event.recorded_at, woken_by=seen.evidence
            )
        self.used[event.account_id] = event.recorded_at, seen.log_position


def _is_withdrawal(event: object) -> bool:
    """Whether money begins to leave; a withdrawal through a bank does so when it is held."""
    if isinstance(event, Account.Withdrawn):
        return not event.held
    return isinstance(event, Account.WithdrawalHeld)


def _alert(woken: Awakening, seen: Seen, thresholds: Thresholds, *, is_withdrawal: bool) -> Alert:
    account_id = seen.event.account_id
    last_use = Evidence(log_position=woken.used_position, subject_id=account_id)
    between = [woken.woken_by] if woken.woken_by.log_position != seen.log_position else []
    slept = Decimal(str((woken.at - woken.used_at).total_seconds()))
    return Alert(
        account_id=account_id,
        kind=AlertKind.DORMANT_AWAKENING,
        severity=Severity.HIGH if is_withdrawal else Severity.MEDIUM,
        symbol=None,
        day=seen.day,
        alerted_at=seen.event.recorded_at,
        log_position=seen.log_position,
        evidence=(last_use, *between, seen.evidence),
        figures={
            "days": (slept / _DAY_S).quantize(Decimal("0.1")),
            "days_least": Decimal(thresholds.dormant_for.days),
            "is_withdrawal": Decimal(int(is_withdrawal)),
        },
    )
