"""An account as it stood, folded from the nearest snapshot on that the question allows.

A snapshot is a fold of everything up to its position. So it may stand for the beginning of any history that leaves none
of that out: one that is known up to a later moment, and of which nothing before it counts to a time after the one asked for.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from application.effect import counting, is_dated, refs_of
from application.history import Standing
from domain.aggregate import Event
from infrastructure.eventstore.account_snapshots import AccountSnapshots, Kept
from infrastructure.eventstore.log import Recorded, read_account, read_named, read_some

Numbered = tuple[int, Event]


class Known(Struct, frozen=True):
    """Up to where an account is looked at, inclusive: a log position, a moment, or both; the earlier counts."""

    log_position: int | None = None
    at: datetime | None = None

    def also(self, *, log_position: int | None = None, at: datetime | None = None) -> "Known":
        """The same, and no further than there."""
        return Known(_earlier(self.log_position, log_position), _earlier(self.at, at))


def recall(
    connection: Connection[Any], account_id: UUID, known: Known, *, effective_at: datetime | None = None
) -> Standing:
    """The account as known up to there; with `effective_at`, of what counts to that moment or earlier only."""
    memory = Memory(connection, account_id)
    if effective_at is None:
        return memory.stood(known)
    return memory.counted(known, effective_at)


class Memory:
    """What is stored of one account: its snapshots and its events."""

    def __init__(self, connection: Connection[Any], account_id: UUID) -> None:
        self._connection = connection
        self._account_id = account_id
        self._snapshots = AccountSnapshots(connection, account_id)

    def stood(self, known: Known) -> Standing:
        """The account up to there: the last snapshot, and what came after it."""
        begin = self._snapshots.last(up_to=known.log_position, at=known.at)
        standing = self._begun(begin)
        standing.go_on(self._events(begin, known))
        return standing

    def counted(self, known: Known, effective_at: datetime) -> Standing:
        """The account of what counts to a moment.

        All else being equal that is what was recorded by then. Only dated events and what they are about may be left
        out of it, or be added from after it; the snapshot must stand before the first that is left out.
        """
        few = self._dated(known)
        counts = counting(few, effective_at)
        left_out = {position for position, event in few if not counts(event)}
        by_then = known.also(at=effective_at)
        first = min(left_out, default=None)
        up_to = by_then.also(log_position=None if first is None else first - 1)
        begin = self._snapshots.last(up_to=up_to.log_position, at=up_to.at)
        standing = self._begun(begin)
        standing.go_on(one for one in self._events(begin, by_then) if one[0] not in left_out)
        standing.go_on(one for one in few if one[1].recorded_at > effective_at and one[0] not in left_out)
        return standing

    def _dated(self, known: Known) -> list[Numbered]:
        """The dated events among those that are known, and those that they are about, in order."""
        last = self._snapshots.last(up_to=known.log_position, at=known.at)
        named = [] if last is None else read_some(self._connection, self._account_id, last.dated)
        found = {row.log_position: row.event() for row in named}
        found.update(one for one in self._events(last, known) if is_dated(one[1]))
        about = [ref for event in found.values() for ref in refs_of(event)]
        if about:
            rows = read_named(self._connection, self._account_id, about)
            found.update((row.log_position, row.event()) for row in rows)
        return sorted(found.items())

    def _events(self, begin: Kept | None, known: Known) -> list[Numbered]:
        """The events after a snapshot that are known."""
        end = known.log_position
        if known.at is not None:
            end = _earlier(end, self._snapshots.first_after(known.at))
        after = 0 if begin is None else begin.log_position
        rows = read_account(self._connection, self._account_id, after=after, up_to=end, at=known.at)
        return _numbered(rows)

    def _begun(self, begin: Kept | None) -> Standing:
        return Standing(self._account_id) if begin is None else begin.standing()


def _numbered(rows: list[Recorded]) -> list[Numbered]:
    return [(row.log_position, row.event()) for row in rows]


def _earlier(one: Any, other: Any) -> Any:
    """The smaller one; None is no bound."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
