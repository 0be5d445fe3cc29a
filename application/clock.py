"""Time as a port: the wall's, or the market's own when real data is replayed."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, UTC, never running backwards within one process."""

    def now(self) -> datetime:
        """The time."""
        ...
