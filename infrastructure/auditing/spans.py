"""Moments as places in the log, whose time never runs backwards: found without an index and without a look at the rest."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from infrastructure.archiving.months import all_months

_IN_LOG = (
    "SELECT max(notification_id) FROM stored_events",
    "SELECT recorded_at FROM stored_events WHERE notification_id >= %s ORDER BY notification_id LIMIT 1",
)
_IN_AUDIT = (
    "SELECT max(log_position) FROM read.audit",
    "SELECT at FROM read.audit WHERE log_position >= %s ORDER BY log_position LIMIT 1",
)


def first_at(connection: Connection[Any], moment: datetime, *, in_log: bool = False) -> int:
    """The position of the first event that was recorded at this moment or later; one past the end when there is none.

    Looked up in the audit's table, or in the log itself.
    """
    end, at = _IN_LOG if in_log else _IN_AUDIT
    last = connection.execute(end).fetchone()
    low, high = 1, (last[0] if last and last[0] else 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(at, (middle,), prepare=True).fetchone()
        if found is None or found[0] >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def span_in_log(connection: Connection[Any], since: datetime, until: datetime) -> tuple[int, int]:
    """The positions from one moment to before another: the first, and one past the last.

    Of an archived month all positions count as soon as one does: their times are in the file. The archives are asked
    after the table, so that what moves in between is not passed over.
    """
    first, end = (first_at(connection, moment, in_log=True) for moment in (since, until))
    months = all_months(connection)
    archived_end = months[-1].last_position if months else 0
    first, end = max(first, archived_end + 1), max(end, archived_end + 1)
    within = [one for one in months if one.last_recorded_at >= since and one.first_recorded_at < until]
    if not within:
        return first, end
    is_over = months[-1].last_recorded_at >= until
    return within[0].first_position, within[-1].last_position + 1 if is_over else end
