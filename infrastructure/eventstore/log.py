"""The SQL of the log. Whoever appends holds the log lock until the commit, so that the order of
positions is the order of commits, and a reader of "everything after N" can skip nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, Cursor

from domain.aggregate import Event, EventRef
from domain.order import Order
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.recorded import Recorded as Recorded
from infrastructure.postgres import arrays

LOG_LOCK = 0x6461_7962_6F6F_6B30  # "daybook0": one number a log, that is a shard

BEGIN, COMMIT = "BEGIN", "COMMIT"
TAKE_LOCK = "SELECT pg_advisory_xact_lock(%s)"
COLUMNS = (
    "notification_id, originator_id, originator_version, topic, state, account_id, recorded_at, metadata"
)
READ_AFTER = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
)
FOREIGN_AFTER = (
    "SELECT notification_id, timestamptz_send(recorded_at), uuid_send(originator_id), originator_version, topic,"
    " CASE WHEN originator_version > 1 THEN state END"
    " FROM stored_events WHERE notification_id > %b ORDER BY notification_id LIMIT %b"
)
"""READ_AFTER for those who only follow what is in their memory: a third of the cost to send, a tenth to read."""

Foreign = tuple[int, bytes, bytes, int, str, bytes | None]
"""Its row: log position, time as `arrays.moment` reads it, aggregate and its version, topic, state. The state is None for
the first event of a stream, which continues nothing.
"""

APPEND = (
    f"INSERT INTO stored_events ({COLUMNS}) SELECT p, i, v, t, s, a, r, m::json"
    " FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b) AS rows(p, i, v, t, s, a, r, m)"
)
_NAMED = (
    f"SELECT {COLUMNS} FROM stored_events JOIN unnest(%s::uuid[], %s::bigint[]) AS named(id, version)"
    " ON originator_id = named.id AND originator_version = named.version"
    " WHERE account_id = %s ORDER BY notification_id"
)
ABOUT_ACCOUNT = (
    "SELECT 1 FROM stored_events WHERE account_id = %(of)s UNION ALL"
    " SELECT 1 FROM archived_streams WHERE account_id = %(of)s LIMIT 1"
)
LAST = "SELECT notification_id, recorded_at FROM stored_events ORDER BY notification_id DESC LIMIT 1"
_AT = f"SELECT {COLUMNS} FROM stored_events WHERE notification_id = %s"
_STREAM = (
    f"SELECT {COLUMNS} FROM stored_events WHERE originator_id = %s AND originator_version > %s"
    " ORDER BY originator_version"
)

_OF_ORDERS = frozenset(Order.FACTS)


class Appending:
    """Rows on their way into the log, one after the other behind the position `after`."""

    def __init__(self, after: int = 0) -> None:
        self._after = after
        self.events: list[Event] = []
        self.topics: list[str] = []
        self.states: list[bytes] = []
        self.metadata: list[bytes] = []
        self.given = 0

    def __len__(self) -> int:
        return len(self.events)

    def extend(
        self, events: Sequence[Event], *, topics: Sequence[str], states: Sequence[bytes], said: bytes
    ) -> None:
        """Put the events of one command at the next positions, with what is `said` beside each of them."""
        self.events += events
        self.topics += topics
        self.states += states
        self.metadata += [said] * len(events)

    def columns(self) -> Sequence[arrays.Column]:
        """The parameters of APPEND, for the rows that have not been given yet."""
        first, self.given = self.given, len(self.events)
        events = self.events[first:]
        return (
            arrays.int8s(self.positions[first:]),
            arrays.uuids([event.originator_id for event in events]),
            arrays.int8s([event.originator_version for event in events]),
            arrays.texts([topic.encode() for topic in self.topics[first:]]),
            arrays.byteas(self.states[first:]),
            arrays.uuids([event.account_id for event in events]),
            arrays.times([event.recorded_at for event in events]),
            arrays.texts(self.metadata[first:]),
        )

    @property
    def waiting(self) -> int:
        """Rows that `columns` has not given yet."""
        return len(self.events) - self.given

    @property
    def positions(self) -> range:
        """Where the rows will stand."""
        return range(self._after + 1, self.end + 1)

    @property
    def end(self) -> int:
        """The last position."""
        return self._after + len(self.events)

    def orders(self) -> set[UUID]:
        """The orders that changed."""
        return {event.originator_id for event in self.events if type(event) in _OF_ORDERS}


def read_after(connection: Connection[Any], position: int, *, limit: int) -> list[Recorded]:
    """The next rows after a position, in order, archived ones among them. Raises ArchiveMustBeReadable."""
    found = rows_of(connection.execute(READ_AFTER, (position, limit)))
    return with_archived(connection, found, Wanted(after=position, limit=limit))


def read_account(
    connection: Connection[Any],
    account_id: UUID,
    *,
    after: int = 0,
    up_to: int | None = None,
    at: datetime | None = None,
) -> list[Recorded]:
    """All rows of one account after a position, up to a position or a moment, both inclusive, in order, archived ones
    among them. Raises ArchiveMustBeReadable.
    """
    sql = f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s AND notification_id > %s"
    parameters: list[Any] = [account_id, after]
    if up_to is not None:
        sql += " AND notification_id <= %s"
        parameters.append(up_to)
    if at is not None:
        sql += " AND recorded_at <= %s"
        parameters.append(at)
    found = rows_of(connection.execute((sql + " ORDER BY notification_id").encode(), parameters, binary=True))
    return with_archived(connection, found, Wanted(account_id=account_id, after=after, up_to=up_to, at=at))


def read_some(connection: Connection[Any], account_id: UUID, positions: Sequence[int]) -> list[Recorded]:
    """The rows of one account at these positions, in order, wherever they are. Raises ArchiveMustBeReadable."""
    sql = f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s AND notification_id = ANY(%s) ORDER BY notification_id"
    found = rows_of(connection.execute(sql.encode(), (account_id, list(positions)), binary=True))
    if len(found) == len(positions):
        return found
    some = frozenset(positions)
    wanted = Wanted(account_id=account_id, after=min(some) - 1, up_to=max(some))
    return with_archived(connection, found, wanted, keep=lambda row: row.log_position in some)


def read_named(connection: Connection[Any], account_id: UUID, events: Sequence[EventRef]) -> list[Recorded]:
    """The rows of these events, as far as they are of that account, in order, wherever they are.

    Raises ArchiveMustBeReadable.
    """
    names = {(one.originator_id, one.originator_version) for one in events}
    ids, versions = [name[0] for name in names], [name[1] for name in names]
    found = rows_of(connection.execute(_NAMED, (ids, versions, account_id), binary=True))
    if len(found) == len(names):
        return found
    return with_archived(
        connection,
        found,
        Wanted(account_id=account_id),
        keep=lambda row: (row.originator_id, row.originator_version) in names,
    )


def has_account(connection: Connection[Any], account_id: UUID) -> bool:
    """Whether there is any row of an account, archived or not."""
    return connection.execute(ABOUT_ACCOUNT, {"of": account_id}).fetchone() is not None


def read_stream(connection: Connection[Any], originator_id: UUID, *, after: int = 0) -> list[Recorded]:
    """A stream's rows after a version, in order, archived ones among them. Raises ArchiveMustBeReadable."""
    found = rows_of(connection.execute(_STREAM, (originator_id, after)))
    if found and found[0].originator_version == after + 1:
        return found  # versions have no gaps
    whole = with_archived(connection, found, Wanted(stream_id=originator_id))
    return [row for row in whole if row.originator_version > after]


def read_at(connection: Connection[Any], log_position: int) -> Recorded | None:
    """The row at a position, wherever it is. Raises ArchiveMustBeReadable."""
    found = rows_of(connection.execute(_AT, (log_position,)))
    if not found:
        found = with_archived(connection, found, Wanted(after=log_position - 1, up_to=log_position))
    return found[0] if found else None


def last_row(connection: Connection[Any]) -> tuple[int, datetime | None]:
    """Position and time of the last event; (0, None) for an empty log."""
    row = connection.execute(LAST).fetchone()
    return (0, None) if row is None else (row[0], row[1])


def rows_of(cursor: Cursor[Any]) -> list[Recorded]:
    """The cursor's rows as Recorded."""
    return [Recorded(*row) for row in cursor.fetchall()]
