"""Aggregates in memory, kept true by everything that is appended, by us or by others."""

from itertools import islice
from uuid import UUID

from domain.aggregate import Aggregate
from infrastructure.eventstore.log import Recorded


class AggregateCache:
    """The least recently used give way beyond `limit` entries, when `trim` is called.

    An entry is always the fold of the log up to the position its owner has seen. The owner drops an
    entry as soon as that may no longer be so.
    """

    # By the number that an id is: a UUID hashes and compares itself in Python, at several times the cost.

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[int, Aggregate] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, aggregate_id: UUID) -> Aggregate | None:
        """The entry, which is then the most recently used."""
        entry = self._entries.pop(aggregate_id.int, None)
        if entry is not None:
            self._entries[aggregate_id.int] = entry
        return entry

    def __contains__(self, aggregate_id: UUID) -> bool:
        return aggregate_id.int in self._entries

    def put(self, aggregate: Aggregate) -> None:
        """Keep an aggregate."""
        self._entries[aggregate.id.int] = aggregate

    def trim(self) -> None:
        """Forget what is too much. Between two batches: one batch may rely on what it has changed."""
        too_many = max(0, len(self._entries) - self._limit)
        # All at once: to find its first entry a dict walks over everything that was ever removed before it.
        for key in list(islice(self._entries, too_many)):
            del self._entries[key]

    def drop(self, aggregate_id: UUID) -> None:
        """Forget an aggregate; it is read again when next needed."""
        self._entries.pop(aggregate_id.int, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def learn(self, row: Recorded) -> None:
        """Take in what somebody else appended. A gap in the versions drops the entry."""
        entry = self._entries.get(row.originator_id.int)
        if entry is None or row.originator_version <= entry.version:
            return
        if row.originator_version == entry.version + 1:
            entry.evolve(row.event())
        else:
            self.drop(row.originator_id)
