"""Moments as places in the log, whose time never runs backwards: found without an index and without a look at the rest."""

from datetime import datetime
from typing import Any

from psycopg import Connection

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
