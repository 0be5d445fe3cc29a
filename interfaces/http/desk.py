"""What every request of one API process shares: the parts, and what the process remembers between requests."""

from uuid import UUID

from infrastructure.figures import FIGURES
from infrastructure.wiring.api import ApiParts
from interfaces.http.marks import SessionMarks

REMEMBERED = 100_000


class OwnWrites:
    """Where in the log each account's last command through this process was answered.

    A later read of that account waits for this position, so that a client reads its own writes. Bounded:
    who has not written for longest is forgotten first.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._positions: dict[UUID, int] = {}

    def note(self, account_id: UUID, log_position: int) -> None:
        """A command of this account was answered at this position."""
        before = self._positions.pop(account_id, 0)
        if len(self._positions) >= self._limit:
            del self._positions[next(iter(self._positions))]
        self._positions[account_id] = max(before, log_position)

    def position(self, account_id: UUID) -> int | None:
        """The position the account's reads must have reached, None when it wrote nothing here."""
        return self._positions.get(account_id)


class Desk:
    """The parts, the accounts' own writes, and each session's first marks."""

    def __init__(self, parts: ApiParts) -> None:
        self.parts = parts
        self.being_served = 0
        FIGURES.watch("requests_being_served", lambda: self.being_served)
        self.writes = OwnWrites()
        self.marks = SessionMarks(parts.quotes, parts.session)
