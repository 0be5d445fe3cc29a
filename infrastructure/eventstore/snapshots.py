"""Snapshots of long streams, taken off the request path and kept beside the log.

A stream gets one each time its version passes a multiple of `every`. They are found by reading the tail of
the log from where the last look ended; the first look reads it from its beginning.
"""

from typing import Any
from uuid import UUID

import structlog
from psycopg import Connection

from domain.facts import AGGREGATES
from infrastructure.eventstore.aggregates import encode_snapshot, load_aggregates
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect

log = structlog.get_logger()

_LONG = (
    "SELECT originator_id, min(topic) FROM stored_events WHERE notification_id > %s AND notification_id <= %s"
    " AND originator_version %% %s = 0 GROUP BY originator_id"
)
_KEEP = (
    "INSERT INTO stored_snapshots (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (originator_id, originator_version) DO UPDATE SET topic = EXCLUDED.topic, state = EXCLUDED.state"
)
_KINDS = {kind.__name__: kind for kind in AGGREGATES}


class Snapshotter:
    """Takes the snapshots that are due. Call `take` from time to time."""

    def __init__(self, url: str, *, every: int) -> None:
        self._url = url
        self._every = every
        self._position = 0

    def take(self) -> int:
        """Take every snapshot that has become due since the last call. Returns how many."""
        with connect(self._url, application="daybook snapshots") as connection:
            end = last_row(connection)[0]
            due = connection.execute(_LONG, (self._position, end, self._every)).fetchall()
            for stream_id, topic in due:
                self._snapshot(connection, stream_id, topic)
        self._position = end
        if due:
            log.info("took snapshots", streams=len(due), log_position=end)
        return len(due)

    def _snapshot(self, connection: Connection[Any], stream_id: UUID, topic: str) -> None:
        kind = _KINDS[topic.partition(".")[0]]
        found = load_aggregates(connection, [(kind, stream_id)])
        connection.execute(_KEEP, encode_snapshot(found[stream_id]))
