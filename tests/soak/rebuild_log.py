"""A long log in little time: the worked history, lived through by as many customers as are needed.

The events are those that the real committer stored for the worked history; only the ids differ. Customers
of a cohort take turns event by event, so that a chunk of the log holds many accounts, as a real one does.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct
from psycopg import Connection

from infrastructure.eventstore.log import APPEND, LOG_LOCK, TAKE_LOCK, Recorded, last_row, read_after
from infrastructure.postgres import arrays
from infrastructure.postgres.connections import connect
from tests.projecting.worked import Desk, work

COHORT = 500
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Line(Struct, frozen=True):
    """One event of the history: the text between its ids, and the ids."""

    row: Recorded
    texts: list[bytes]
    ids: list[UUID]

    def state(self, ids: dict[UUID, UUID]) -> bytes:
        """The event as another customer's."""
        parts = [self.texts[0]]
        for found, text in zip(self.ids, self.texts[1:], strict=True):
            parts += (str(ids[found]).encode(), text)
        return b"".join(parts)


def lengthen(url: str, events: int) -> int:
    """Make the log at least this long. Returns its last position. An empty log gets its history first."""
    with connect(url, application="long log") as connection:
        if not last_row(connection)[0]:
            desk = Desk(url)
            work(desk)
            desk.close()
        lines = [_line(row) for row in read_after(connection, 0, limit=41)]
        while (end := last_row(connection)[0]) < events:
            customers = min(COHORT, -(-(events - end) // len(lines)))
            _append(connection, list(_cohort(lines, customers)))
        connection.execute("ANALYZE stored_events")
        return end


def _line(row: Recorded) -> Line:
    ids = [UUID(found.decode()) for found in _ID.findall(row.state)]
    return Line(row, _ID.split(row.state), ids)


def _cohort(lines: Sequence[Line], customers: int) -> Iterator[tuple[Line, dict[UUID, UUID]]]:
    known = {found for line in lines for found in (*line.ids, line.row.originator_id)}
    everyone = [{found: uuid4() for found in known} for _ in range(customers)]
    return ((line, ids) for line in lines for ids in everyone)


def _append(connection: Connection[Any], events: Sequence[tuple[Line, dict[UUID, UUID]]]) -> None:
    """Append under the log lock, as committers do: others may be writing."""
    with connection.transaction():
        connection.execute(TAKE_LOCK, (LOG_LOCK,))
        connection.execute(APPEND, _columns(events, last_row(connection)[0]))


def _columns(events: Sequence[tuple[Line, dict[UUID, UUID]]], end: int) -> Sequence[Any]:
    return (
        arrays.int8s(range(end + 1, end + 1 + len(events))),
        arrays.uuids([ids[line.row.originator_id] for line, ids in events]),
        arrays.int8s([line.row.originator_version for line, _ in events]),
        arrays.texts([line.row.topic.encode() for line, _ in events]),
        arrays.byteas([line.state(ids) for line, ids in events]),
        arrays.uuids([ids[line.row.account_id] for line, ids in events]),
        arrays.times([line.row.recorded_at for line, _ in events]),
        arrays.texts([line.row.metadata for line, _ in events]),
    )
