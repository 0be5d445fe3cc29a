"""The SQL of the log. Whoever appends holds the log lock until the commit, so that the order of
positions is the order of commits, and a reader of "everything after N" can skip nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, Cursor

from domain.aggregate import Event
from infrastructure.eventstore.mapper import decode_event
from infrastructure.postgres import arrays

LOG_LOCK = 0x6461_7962_6F6F_6B30  # "daybook0": one number a log, that is a shard

TAKE_LOCK = "SELECT pg_advisory_xact_lock(%s)"
COLUMNS = (
    "notification_id, originator_id, originator_version, topic, state, account_id, recorded_at, metadata"
)
READ_AFTER = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
)
APPEND = (
    f"INSERT INTO stored_events ({COLUMNS}) SELECT p, i, v, t, s, a, r, m::json"
    " FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b) AS rows(p, i, v, t, s, a, r, m)"
)
LAST = "SELECT notification_id, recorded_at FROM stored_events ORDER BY notification_id DESC LIMIT 1"


class Recorded(Struct, frozen=True, gc=False):
    """One row of the log, its event not yet decoded."""

    log_position: int
    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes
    account_id: UUID
    recorded_at: datetime
    metadata: Any

    def event(self) -> Event:
        """The event itself. Raises EventIsUnreadable."""
        return decode_event(self.topic, self.state)


class Appending:
    """Rows on their way into the log, column by column."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.originator_ids: list[UUID] = []
        self.versions: list[int] = []
        self.topics: list[str] = []
        self.states: list[bytes] = []
        self.account_ids: list[UUID] = []
        self.times: list[datetime] = []
        self.metadata: list[bytes] = []

    def __len__(self) -> int:
        return len(self.positions)

    def add(self, event: Event, *, position: int, topic: str, state: bytes, metadata: bytes) -> None:
        """Put one event at a position."""
        self.positions.append(position)
        self.originator_ids.append(event.originator_id)
        self.versions.append(event.originator_version)
        self.topics.append(topic)
        self.states.append(state)
        self.account_ids.append(event.account_id)
        self.times.append(event.recorded_at)
        self.metadata.append(metadata)

    def columns(self) -> Sequence[arrays.Column]:
        """The parameters of APPEND."""
        return (
            arrays.int8s(self.positions),
            arrays.uuids(self.originator_ids),
            arrays.int8s(self.versions),
            arrays.texts([topic.encode() for topic in self.topics]),
            arrays.byteas(self.states),
            arrays.uuids(self.account_ids),
            arrays.times(self.times),
            arrays.texts(self.metadata),
        )

    @property
    def end(self) -> int:
        """The last position."""
        return self.positions[-1]

    def orders(self) -> set[UUID]:
        """The orders that changed."""
        pairs = zip(self.originator_ids, self.topics, strict=True)
        return {originator_id for originator_id, topic in pairs if topic.startswith("Order.")}


def read_after(connection: Connection[Any], position: int, *, limit: int) -> list[Recorded]:
    """The next rows after a position, in order."""
    return rows_of(connection.execute(READ_AFTER, (position, limit)))


def read_account(
    connection: Connection[Any], account_id: UUID, *, up_to: int | None, at: datetime | None
) -> list[Recorded]:
    """All rows of one account up to a position or a moment, both inclusive, in order."""
    sql = f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s"
    parameters: list[Any] = [account_id]
    if up_to is not None:
        sql += " AND notification_id <= %s"
        parameters.append(up_to)
    if at is not None:
        sql += " AND recorded_at <= %s"
        parameters.append(at)
    return rows_of(connection.execute((sql + " ORDER BY notification_id").encode(), parameters))


def last_row(connection: Connection[Any]) -> tuple[int, datetime | None]:
    """Position and time of the last event; (0, None) for an empty log."""
    row = connection.execute(LAST).fetchone()
    return (0, None) if row is None else (row[0], row[1])


def rows_of(cursor: Cursor[Any]) -> list[Recorded]:
    """The cursor's rows as Recorded."""
    return [Recorded(*row) for row in cursor.fetchall()]
