"""The library's recorder, with our columns and our order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg import Connection

from application.requests import Metadata, encode_metadata
from infrastructure.eventstore.log import APPEND, LAST, LOG_LOCK, TAKE_LOCK, Appending
from infrastructure.eventstore.mapper import decode_event
from infrastructure.postgres import arrays


class LogRecorder(PostgresApplicationRecorder):
    """Appends under the log lock instead of a table lock, and writes account, time and metadata.

    This is the library's way in, used by its own tools; commands go through the committer, which
    appends with the same SQL, many commands at a time.
    """

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Store events in one transaction; `metadata` (a Metadata) may say who did it."""
        metadata: Metadata = kwargs.get("metadata") or _nobody()
        with self.datastore.get_connection() as connection, connection.transaction():
            return self._append(connection, stored_events, metadata)

    def _append(
        self, connection: Connection[Any], stored_events: Sequence[StoredEvent], metadata: Metadata
    ) -> list[int]:
        arrays.register(connection)
        connection.execute(TAKE_LOCK, (LOG_LOCK,))
        last = connection.execute(LAST).fetchone()
        rows = Appending(after=last["notification_id"] if last else 0)
        rows.extend(
            [decode_event(stored.topic, stored.state) for stored in stored_events],
            topics=[stored.topic for stored in stored_events],
            states=[stored.state for stored in stored_events],
            said=encode_metadata(metadata),
        )
        connection.execute(APPEND, rows.columns())
        return list(rows.positions)


def _nobody() -> Metadata:
    return Metadata(actor="library", role="system", request_id=UUID(int=0), wall=datetime.now(UTC))
