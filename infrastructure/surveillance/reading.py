"""The log as the detectors see it: the kinds they look at, with their day and whose doing they were."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from psycopg import Connection

from application.surveillance import KINDS_WATCHED, Seen
from domain.facts import KINDS, UPCASTS, name_of
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import COLUMNS, Recorded, rows_of
from infrastructure.eventstore.mapper import EventIsUnreadable

log = structlog.get_logger()

PAGE = 5_000
"""Log positions that are read at once."""

_NAMES = {name_of(kind) for kind in KINDS_WATCHED}
_WATCHED = frozenset(topic for topic in {*KINDS, *UPCASTS} if topic.partition(":")[0] in _NAMES)
TOPICS_WATCHED = sorted(_WATCHED)

_READ = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s AND notification_id <= %s"
    " AND topic = ANY(%s) ORDER BY notification_id"
)

DayOf = Callable[[datetime], date]


class _Who(Struct):
    """What is read of an event's metadata."""

    role: str = "unknown"


_who = msgspec.json.Decoder(_Who).decode


def read_page(connection: Connection[Any], after: int, up_to: int, day_of: DayOf) -> Iterator[Seen]:
    """What is to be seen after a log position, up to another. One that cannot be read is told, and passed over.

    Raises ArchiveMustBeReadable.
    """
    rows = rows_of(connection.execute(_READ.encode(), (after, up_to, TOPICS_WATCHED)))
    rows = with_archived(connection, rows, Wanted(after=after, up_to=up_to), _is_watched)
    return (seen for row in rows if (seen := _seen(row, day_of)) is not None)


def _is_watched(row: Recorded) -> bool:
    return row.topic in _WATCHED


def _seen(row: Recorded, day_of: DayOf) -> Seen | None:
    try:
        event = row.event()
    except EventIsUnreadable as error:
        log.error("surveillance cannot read an event", log_position=row.log_position, error=str(error))  # noqa: TRY400
        return None
    return Seen(
        log_position=row.log_position,
        event=event,
        day=day_of(row.recorded_at),
        by_customer=_who(row.metadata).role == "customer",
    )
