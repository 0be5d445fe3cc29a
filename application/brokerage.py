"""The event-sourced application: the `eventsourcing` library's, told how our aggregates are folded.

It is the library's view of the log: repository, event store and notification log over the same
rows that the committer writes. Commands do not go through `save`: see docs/decisions.
"""

from collections.abc import Iterable
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import Application

from domain.aggregate import Aggregate, Event
from domain.facts import AGGREGATE_OF

A = TypeVar("A", bound=Aggregate)


def fold(aggregate: Any, events: Iterable[Event]) -> Any:
    """Continue an aggregate, or begin the right kind from its first event; None without events."""
    for event in events:
        if aggregate is None:
            aggregate = AGGREGATE_OF[type(event)](id=event.originator_id, account_id=event.account_id)
        aggregate.evolve(event)
    return aggregate


class Brokerage(Application[UUID]):
    """Accounts, orders and positions, by id. Its name is the prefix of the tables: stored_events."""

    name = "stored"
    env = {
        "PERSISTENCE_MODULE": "infrastructure.eventstore.factory",
        "MAPPER_TOPIC": "infrastructure.eventstore.mapper:StructMapper",
        "AGGREGATE_CACHE_MAXSIZE": "",
    }

    def aggregate(self, kind: type[A], aggregate_id: UUID, *, version: int | None = None) -> A:
        """One aggregate now, or as it was at a version. Raises AggregateNotFoundError."""
        found: Any = self.repository.get(aggregate_id, version=version, projector_func=fold)
        assert isinstance(found, kind), f"{aggregate_id} is a {type(found).__name__}"  # noqa: S101
        return found
