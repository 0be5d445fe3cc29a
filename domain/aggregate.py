"""What every event-sourced aggregate has in common.

Events and aggregates refer to nothing that refers back to them, so the cyclic garbage collector need not
look at them (`gc=False`): with a million in memory, looking would cost more than deciding.
"""

from datetime import date, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from msgspec import Struct


class EventRef(Struct, frozen=True, gc=False):
    """One event of the log: its aggregate, and its number among the aggregate's events."""

    originator_id: UUID
    originator_version: int


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A fact about one aggregate. Stored for ever: fields may be added with a default, never changed.

    What has its default is not stored, so neither may a default ever change.
    `recorded_at` is UTC by the clock the system runs on (the wall, or the market's own when real
    data is replayed). Order follows the log, never this time. `effective_on` is the day the books count it
    to when that is not the day it was recorded: a correction keeps the day of what it `corrects`.
    """

    originator_id: UUID
    originator_version: int
    account_id: UUID
    recorded_at: datetime
    effective_on: date | None = None
    corrects: EventRef | None = None

    def apply(self, aggregate: Any) -> None:
        """Change the aggregate's state to what this fact says. Never refuses: it also runs on replay."""
        raise NotImplementedError


E = TypeVar("E", bound=Event)


class Aggregate(Struct, kw_only=True, omit_defaults=True, gc=False):
    """State that is the fold of its own events.

    The fields are the whole state, so that a snapshot is the struct itself. `pending` holds the
    facts that have been decided but not yet stored; a snapshot is taken only when there are none.
    """

    id: UUID
    account_id: UUID
    version: int = 0
    pending: list[Any] = []

    FACTS: ClassVar[tuple[type[Event], ...]] = ()

    def record(self, kind: type[E], *, at: datetime, **facts: Any) -> E:
        """Decide a fact: it takes effect at once and waits in `pending` to be stored."""
        event = kind(
            originator_id=self.id,
            originator_version=self.version + 1,
            account_id=self.account_id,
            recorded_at=at,
            **facts,
        )
        event.apply(self)
        self.version = event.originator_version
        self.pending.append(event)
        return event

    def evolve(self, event: Event) -> None:
        """Take in a fact, new or replayed."""
        event.apply(self)
        self.version = event.originator_version
