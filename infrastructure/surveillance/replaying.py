"""The whole log looked at once more: the alerts it gives, and which of them have a case. It changes nothing."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from psycopg import Connection

from application.surveillance import Thresholds, Watch
from domain.case import Alert
from infrastructure.eventstore.log import last_row
from infrastructure.surveillance.reading import PAGE, DayOf, read_page

_THERE = (
    "SELECT originator_id FROM stored_events WHERE originator_id = ANY(%(ids)s)"
    " UNION SELECT originator_id FROM archived_streams WHERE originator_id = ANY(%(ids)s)"
)


class Found(Struct, frozen=True, kw_only=True):
    """An alert, and whether its case is in the log."""

    alert: Alert
    has_case: bool


def replay(
    connection: Connection[Any],
    thresholds: Thresholds,
    day_of: DayOf,
    *,
    since: int = 0,
    progress: Callable[[int, int], Any] = lambda _position, _end: None,
) -> Iterator[Found]:
    """Every alert from a log position on, in the order of the log. All of the log is read: what came before counts."""
    watch, position, end = Watch(), 0, last_row(connection)[0]
    while position < end:
        up_to = min(position + PAGE, end)
        alerts: list[Alert] = []
        for seen in read_page(connection, position, up_to, day_of):
            alerts += watch.take_in(seen, thresholds)
        wanted = [one for one in alerts if one.log_position >= since]
        ids = [one.case_id for one in wanted]
        there = {row[0] for row in connection.execute(_THERE.encode(), {"ids": ids})} if ids else set()
        yield from (Found(alert=one, has_case=one.case_id in there) for one in wanted)
        position = up_to
        progress(position, end)
