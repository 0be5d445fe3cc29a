"""Every case of the compliance desk: the alert it began with, where it stands, and who did what about it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.case import Case, CaseStatus, Evidence
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Lookup, Question


class CaseStep(Struct, frozen=True, kw_only=True):
    """Something that was done about a case: by whom, in which role, and when. `text` is what was said, or to whom it went."""

    log_position: int
    at: datetime
    actor: str
    role: str
    step: str
    text: str


class CaseRow(Struct):
    """One case. `figures` are what was counted or measured, and the thresholds; `evidence` leads to the facts.

    `opened_position` is that of its first event, `blocked_until` the end of the block that came with it.
    """

    case_id: UUID
    account_id: UUID
    kind: str
    severity: str
    status: str
    symbol: str | None
    day: date
    alerted_at: datetime
    opened_at: datetime
    updated_at: datetime
    assignee_id: UUID | None
    blocked_until: datetime | None
    resolution: str | None
    reason: str | None
    figures: dict[str, Decimal]
    evidence: list[Evidence]
    steps: list[CaseStep]
    opened_position: int
    log_position: int


class _Who(Struct):
    """What is read of an event's metadata."""

    actor: str = "unknown"
    role: str = "unknown"


_who = msgspec.json.Decoder(_Who).decode


class Cases(Projection):
    """One row a case."""

    name = "cases"
    version = 1
    row = CaseRow
    key_columns = ("case_id",)
    indexes = ("(opened_position DESC)", "(account_id, opened_position DESC)")
    ignores = (
        *(kind for kind in Account.FACTS if kind is not Account.Suspended),
        *Order.FACTS,
        *Position.FACTS,
        *CorporateAction.FACTS,
        *InterestPeriod.FACTS,
        *Transfer.FACTS,
        *Erasure.FACTS,
    )

    def key(self, event: Any, fact: Fact) -> Key:
        """By case."""
        return (getattr(event, "case_id", None) or event.originator_id,)

    @on(Case.Opened)
    def opened(self, event: Case.Opened, rows: Rows[CaseRow]) -> None:
        """Surveillance raised an alert."""
        row = rows.add((event.originator_id,), _born(event, rows.fact.log_position))
        _step(row, event, "opened", event.kind.value, rows.fact)

    @on(Account.Suspended)
    def blocked(self, event: Account.Suspended, rows: Rows[CaseRow]) -> None:
        """The account was blocked with it; other suspensions are not about a case."""
        row = None if event.case_id is None else rows.get((event.case_id,))
        if row is not None:
            row.blocked_until = event.until
            until = (
                "for good" if event.until is None else f"until {event.until.isoformat(timespec='seconds')}"
            )
            _step(row, event, "blocked", until, rows.fact)

    @on(Case.Assigned)
    def assigned(self, event: Case.Assigned, rows: Rows[CaseRow]) -> None:
        """Somebody is to work it."""
        row = rows[(event.originator_id,)]
        row.status, row.assignee_id = CaseStatus.ASSIGNED.value, event.assignee_id
        _step(row, event, "assigned", str(event.assignee_id), rows.fact)

    @on(Case.Noted)
    def noted(self, event: Case.Noted, rows: Rows[CaseRow]) -> None:
        """Somebody wrote something down."""
        _step(rows[(event.originator_id,)], event, "noted", event.text, rows.fact)

    @on(Case.Closed)
    def closed(self, event: Case.Closed, rows: Rows[CaseRow]) -> None:
        """Somebody decided what it was."""
        row = rows[(event.originator_id,)]
        row.status = CaseStatus.CLOSED.value
        row.resolution, row.reason = event.resolution.value, event.reason
        _step(row, event, "closed", f"{event.resolution.value}: {event.reason}", rows.fact)


def _step(row: CaseRow, event: Event, step: str, text: str, fact: Fact) -> None:
    who, position = _who(fact.metadata), fact.log_position
    done = CaseStep(
        log_position=position, at=event.recorded_at, actor=who.actor, role=who.role, step=step, text=text
    )
    row.steps = [*row.steps, done]
    row.updated_at, row.log_position = event.recorded_at, position


def _born(event: Case.Opened, position: int) -> CaseRow:
    return CaseRow(
        case_id=event.originator_id,
        account_id=event.account_id,
        kind=event.kind.value,
        severity=event.severity.value,
        status=CaseStatus.OPEN.value,
        symbol=event.symbol,
        day=event.day,
        alerted_at=event.alerted_at,
        opened_at=event.recorded_at,
        updated_at=event.recorded_at,
        assignee_id=None,
        blocked_until=None,
        resolution=None,
        reason=None,
        figures=event.figures,
        evidence=list(event.evidence),
        steps=[],
        opened_position=position,
        log_position=position,
    )


CASE = Lookup("cases", CaseRow, by=("case_id",))

CASES = Question(
    "cases",
    CaseRow,
    "(%(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid)"
    " AND (%(kind)s::text IS NULL OR kind = %(kind)s::text)"
    " AND (%(status)s::text[] IS NULL OR status = ANY(%(status)s::text[]))"
    " AND (%(assignee_id)s::uuid IS NULL OR assignee_id = %(assignee_id)s::uuid)"
    " AND opened_position < %(before)s ORDER BY opened_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the opened_position of the last row of the page before, or 2^62."""
