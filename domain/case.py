"""A case: what surveillance found in an account, and what the compliance desk made of it.

The life of a case, as a table: the status it is in, what may happen then, and the status after. A closed case stays
as it is. People are named by id; texts are kept for ever and name nobody.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from domain.aggregate import Aggregate, Event
from domain.errors import CaseMustBeOpen


class AlertKind(StrEnum):
    """What surveillance looks for."""

    WASH_TRADING = "wash_trading"  # one symbol bought and sold again and again on one day
    RAPID_CANCELS = "rapid_cancels"  # many orders cancelled within seconds, few of them filled
    TRADING_AHEAD = "trading_ahead"  # a trade right before a large move of the price in its favour
    DORMANT_AWAKENING = "dormant_awakening"  # an account trades or pays out that nobody had used for long


class Severity(StrEnum):
    """How soon somebody should look."""

    HIGH = "high"
    MEDIUM = "medium"


class Resolution(StrEnum):
    """What a closed case came to."""

    UNFOUNDED = "unfounded"  # the alert is not what it seemed
    EXPLAINED = "explained"  # it is, and there is a good reason for it
    WARNED = "warned"  # the customer was told to stop
    REPORTED = "reported"  # the authorities were told


class CaseStatus(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    ASSIGNED = "assigned"
    CLOSED = "closed"


S = CaseStatus

LIFE: dict[CaseStatus | None, dict[str, CaseStatus]] = {
    None: {"Opened": S.OPEN},
    S.OPEN: {"Assigned": S.ASSIGNED, "Noted": S.OPEN, "Closed": S.CLOSED},
    S.ASSIGNED: {"Assigned": S.ASSIGNED, "Noted": S.ASSIGNED, "Closed": S.CLOSED},
    S.CLOSED: {},
}


class Evidence(Struct, frozen=True, kw_only=True, gc=False):
    """One fact that an alert rests on: where it stands in the log, and its order or transfer."""

    log_position: int
    subject_id: UUID


class Alert(Struct, frozen=True, kw_only=True, gc=False):
    """What surveillance found: the same each time the same log is looked at by the same thresholds.

    `alerted_at` is when the last fact of the evidence was recorded, `day` its day at the exchange. `figures` are what was
    counted or measured, and the thresholds it went beyond; amounts in dollars, times in seconds or days as they are named.
    """

    account_id: UUID
    kind: AlertKind
    severity: Severity
    symbol: str | None
    day: date
    alerted_at: datetime
    log_position: int
    evidence: tuple[Evidence, ...]
    figures: dict[str, Decimal]

    @property
    def case_id(self) -> UUID:
        """The case it opens: one for each account, kind, day and symbol, whoever finds it and however often."""
        return uuid5(self.account_id, f"case/{self.kind.value}/{self.day.isoformat()}/{self.symbol or ''}")


class Case(Aggregate, kw_only=True):
    """One case. Its account is the one that the alert is about."""

    status: CaseStatus | None = None
    kind: AlertKind | None = None
    assignee_id: UUID | None = None

    # What has happened. Stored for ever, replayed often: never refuses.

    class Opened(Event, frozen=True, kw_only=True):
        """Surveillance raised an alert: its evidence, and what was counted. `log_position` is that of its last fact."""

        kind: AlertKind
        severity: Severity
        symbol: str | None
        day: date
        alerted_at: datetime
        log_position: int
        evidence: tuple[Evidence, ...]
        figures: dict[str, Decimal]

        def apply(self, case: "Case") -> None:
            case.status, case.kind = S.OPEN, self.kind

    class Assigned(Event, frozen=True, kw_only=True):
        """A member of staff is to work it."""

        assignee_id: UUID

        def apply(self, case: "Case") -> None:
            case.status, case.assignee_id = S.ASSIGNED, self.assignee_id

    class Noted(Event, frozen=True, kw_only=True):
        """Somebody wrote down what was found out."""

        text: str

        def apply(self, case: "Case") -> None:
            """A note changes nothing else."""

    class Closed(Event, frozen=True, kw_only=True):
        """Somebody decided what it was."""

        resolution: Resolution
        reason: str

        def apply(self, case: "Case") -> None:
            case.status = S.CLOSED

    # What may be decided. Check every rule, then record one fact.

    def open(self, alert: Alert, *, at: datetime) -> bool:
        """Begin it with what surveillance found. False when it was begun before: nothing is recorded then."""
        if self.status is not None:
            return False
        fields = ("kind", "severity", "symbol", "day", "alerted_at", "log_position", "evidence", "figures")
        facts: dict[str, Any] = {name: getattr(alert, name) for name in fields}
        self.record(Case.Opened, at=at, **facts)
        return True

    def assign(self, assignee_id: UUID, *, at: datetime) -> None:
        """Give it to a member of staff; to the same one again, nothing changes."""
        self._require("Assigned")
        if self.assignee_id != assignee_id:
            self.record(Case.Assigned, at=at, assignee_id=assignee_id)

    def note(self, text: str, *, at: datetime) -> None:
        """Write something down."""
        self._require("Noted")
        self.record(Case.Noted, at=at, text=text)

    def close(self, resolution: Resolution, *, reason: str, at: datetime) -> None:
        """Decide what it was."""
        self._require("Closed")
        self.record(Case.Closed, at=at, resolution=resolution, reason=reason)

    def _require(self, fact: str) -> None:
        if fact not in LIFE[self.status]:
            raise CaseMustBeOpen(f"the case is {self.status}")

    FACTS = (Opened, Assigned, Noted, Closed)
