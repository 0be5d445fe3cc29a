"""Aggregates in memory, kept true by everything that is appended, by us or by others."""

from collections.abc import Iterable
from itertools import islice
from uuid import UUID

import structlog

from domain.aggregate import Aggregate
from infrastructure.eventstore.log import Foreign
from infrastructure.eventstore.replaying import decode_slim

log = structlog.get_logger()

BEHIND_LIMIT = 4_096
"""So many rows may wait to be folded between two batches; about 2 MB."""

_Row = tuple[int, str, bytes]  # version, topic, state


class AggregateCache:
    """The least recently used give way beyond `limit` entries, when `trim` is called.

    An entry, as `get` gives it, is always the fold of the log up to the position its owner has seen. What others
    append is learned under the log lock, where everybody waits; so it is only laid behind its entry there, and folded
    when somebody asks for the entry, or by `catch_up`. The owner drops an entry as soon as it may no longer be true.
    """

    # By the number that an id is: a UUID hashes and compares itself in Python, at several times the cost.

    def __init__(self, limit: int, *, behind_limit: int = BEHIND_LIMIT) -> None:
        self._limit = limit
        self._entries: dict[int, Aggregate] = {}
        self._behind_limit = behind_limit
        self._behind: dict[int, list[_Row]] = {}  # only of entries, never empty
        self._waiting = 0  # rows in all of them

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def waiting(self) -> int:
        """Rows that are learned and not yet folded."""
        return self._waiting

    def get(self, aggregate_id: UUID) -> Aggregate | None:
        """The entry, which is then the most recently used."""
        key = aggregate_id.int
        if key in self._behind:
            self._fold(key)
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry
        return entry

    def __contains__(self, aggregate_id: UUID) -> bool:
        key = aggregate_id.int
        if key in self._behind:
            self._fold(key)
        return key in self._entries

    def put(self, aggregate: Aggregate) -> None:
        """Keep an aggregate."""
        self._entries[aggregate.id.int] = aggregate

    def trim(self) -> None:
        """Forget what is too much. Between two batches: one batch may rely on what it has changed."""
        too_many = max(0, len(self._entries) - self._limit)
        # All at once: to find its first entry a dict walks over everything that was ever removed before it.
        for key in list(islice(self._entries, too_many)):
            self._drop(key)

    def drop(self, aggregate_id: UUID) -> None:
        """Forget an aggregate; it is read again when next needed."""
        self._drop(aggregate_id.int)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._behind.clear()
        self._waiting = 0

    def learn(self, rows: Iterable[Foreign]) -> None:
        """Take in what somebody else appended."""
        entries, behind = self._entries, self._behind
        for _, _, stream, version, topic, state in rows:
            if state is None:
                continue
            key = int.from_bytes(stream)
            entry = entries.get(key)
            if entry is not None and version > entry.version:
                behind.setdefault(key, []).append((version, topic, state))
                self._waiting += 1

    def catch_up(self) -> None:
        """Fold what has waited longest, until no more than the limit waits. When nobody waits for us."""
        while self._waiting > self._behind_limit:
            self._fold(next(iter(self._behind)))

    def _fold(self, key: int) -> None:
        """Bring an entry up to what was learned. It is dropped when a version is missing or a row does not fold:
        who needs it then reads the log, and learns there what is wrong with it.
        """
        entry = self._entries[key]
        try:
            for version, topic, state in self._taken(key):
                if version == entry.version + 1:
                    entry.evolve(decode_slim(topic, state))
                elif version > entry.version:
                    return self._drop(key)
        except Exception as error:  # noqa: BLE001  whatever it is, the entry is half folded
            log.warning("what others appended does not fold", aggregate=str(entry.id), error=repr(error))
            self._drop(key)

    def _taken(self, key: int) -> list[_Row]:
        """What waits behind an entry, which then waits no more."""
        rows = self._behind.pop(key, [])
        self._waiting -= len(rows)
        return rows

    def _drop(self, key: int) -> None:
        self._entries.pop(key, None)
        self._taken(key)
