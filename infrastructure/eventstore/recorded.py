"""One row of the log, from the table or from an archive."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Event
from infrastructure.eventstore.mapper import decode_event


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
