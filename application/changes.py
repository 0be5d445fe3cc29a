"""What is different in an account between two of its moments, field by field, and which events made it so."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from application.history import Standing
from application.views import FieldValue, fields_of
from domain.aggregate import Aggregate, Event
from domain.facts import name_of


class EventBetween(Struct, frozen=True, kw_only=True):
    """An event after the first moment, up to the second."""

    log_position: int
    event: str
    subject_id: UUID
    recorded_at: datetime


class Change(Struct, frozen=True, kw_only=True):
    """One field that is not as it was, as text; None is not there. `changed_by` are log positions of events."""

    field: str
    before: str | None
    after: str | None
    changed_by: list[int]

    @classmethod
    def of(cls, field: str, before: FieldValue | None, after: FieldValue | None, by: list[int]) -> "Change":
        """The same of values as they are."""
        told = [None if value is None else str(value) for value in (before, after)]
        return cls(field=field, before=told[0], after=told[1], changed_by=by)


class AccountDifference(Struct, frozen=True, kw_only=True):
    """From one moment to another. The log positions are the account's last ones by then."""

    account_id: UUID
    from_position: int
    to_position: int
    changes: list[Change]
    events: list[EventBetween]


def difference(
    account_id: UUID, history: Iterable[tuple[int, Event]], *, from_position: int
) -> AccountDifference:
    """Fold an account's events, oldest first, and tell what those after `from_position` have changed.

    Raises MomentMustBeWithinTheAccountsLife when the account did not exist by then.
    """
    standing, found = Standing(account_id), _Between()
    begun = 0
    for position, event in history:
        if position <= from_position:
            standing.take_in(position, event)
            begun = position
            continue
        standing.require_account()
        before = fields_of(standing.aggregates.get(event.originator_id))
        found.note(position, event, before, standing.take_in(position, event))
    standing.require_account()
    return AccountDifference(
        account_id=account_id,
        from_position=begun,
        to_position=standing.log_position,
        changes=found.changes(),
        events=found.events,
    )


class _Between:
    """What the events between two moments change."""

    def __init__(self) -> None:
        self.events: list[EventBetween] = []
        self._first: dict[str, FieldValue | None] = {}
        self._now: dict[str, FieldValue | None] = {}
        self._by: dict[str, list[int]] = defaultdict(list)

    def note(self, position: int, event: Event, before: dict[str, FieldValue], aggregate: Aggregate) -> None:
        after = fields_of(aggregate)
        for path in changed(before, after):
            self._first.setdefault(path, before.get(path))
            self._now[path] = after.get(path)
            self._by[path].append(position)
        told = EventBetween(
            log_position=position,
            event=name_of(type(event)),
            subject_id=event.originator_id,
            recorded_at=event.recorded_at,
        )
        self.events.append(told)

    def changes(self) -> list[Change]:
        return [
            Change.of(path, self._first[path], self._now[path], self._by[path])
            for path in sorted(self._now)
            if self._first[path] != self._now[path]
        ]


def changed(before: dict[str, FieldValue], after: dict[str, FieldValue]) -> list[str]:
    """The fields that are not the same, sorted."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
