"""Snapshots of the streams that lose events to an archive, so that deciding about them needs no file.

Orders get none: those that have ended are hardly ever loaded again, and whoever does reads them from the archive.
"""

from typing import Any

import structlog
from psycopg import Connection

from domain.facts import AGGREGATES
from domain.order import Order
from infrastructure.eventstore.aggregates import encode_snapshot, load_aggregates
from infrastructure.eventstore.mapper import EventIsUnreadable

log = structlog.get_logger()

AT_ONCE = 200
_KINDS = {kind.__name__: kind for kind in AGGREGATES if kind is not Order}
_LOSING = (
    "SELECT e.originator_id, split_part(min(e.topic), '.', 1) FROM stored_events e"
    " WHERE e.notification_id <= %s AND split_part(e.topic, '.', 1) = ANY(%s)"
    " GROUP BY e.originator_id HAVING NOT EXISTS (SELECT FROM stored_snapshots s"
    " WHERE s.originator_id = e.originator_id AND s.originator_version >= max(e.originator_version))"
)
_KEEP = (
    "INSERT INTO stored_snapshots (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (originator_id, originator_version) DO UPDATE SET topic = EXCLUDED.topic, state = EXCLUDED.state"
)


def keep_snapshots(connection: Connection[Any], up_to: int) -> int:
    """Take a snapshot of every such stream in the log's table up to a position. Returns how many."""
    losing = connection.execute(_LOSING, (up_to, list(_KINDS))).fetchall()
    for start in range(0, len(losing), AT_ONCE):
        some = [(_KINDS[kind], stream_id) for stream_id, kind in losing[start : start + AT_ONCE]]
        try:
            found = load_aggregates(connection, some)
        except EventIsUnreadable as error:
            log.warning("streams are archived without a snapshot", streams=len(some), error=str(error))
            continue
        with connection.transaction():
            for aggregate in found.values():
                connection.execute(_KEEP, encode_snapshot(aggregate))
    return len(losing)
