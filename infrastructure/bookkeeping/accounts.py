"""Which accounts a day's work concerns, and their events, read from the log and from read tables that have caught up."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from application.brokerage import fold
from application.errors import ReadTableMustReachPosition
from domain.aggregate import Event
from domain.corporate_action import FIRM, CorporateAction
from infrastructure.archiving.months import all_months
from infrastructure.archiving.reading import Wanted, archived
from infrastructure.eventstore.log import COLUMNS, LOG_LOCK, last_row, read_account, read_stream, rows_of

CHUNK = 500

_REACHED = "SELECT position FROM projections WHERE name = %s"
_PARKED = (
    "SELECT k.account_id FROM projection_parked k JOIN projection_generations g USING (name, generation)"
    " WHERE g.state = 'live' AND k.name = %s"
)
_WAIT_FOR_LOCK = "SELECT pg_advisory_xact_lock_shared(%s)"
_HELD = "SELECT account_id FROM read.positions WHERE symbol = %s"
_ORDERED = "SELECT account_id FROM read.open_orders WHERE symbol = %s"
_ENTITLED = "SELECT account_id FROM read.dividends WHERE action_id = %s"
_FIRST_OPENED = (
    "SELECT recorded_at FROM stored_events WHERE topic = 'Account.Opened' ORDER BY notification_id LIMIT 1"
)
_OPENED = "SELECT account_id FROM read.balances WHERE status <> 'closed'"
# Whether something was added is what is asked: an archive's end stands for all that is in it.
_END_OF_FIRM = (
    "SELECT greatest((SELECT max(notification_id) FROM stored_events WHERE account_id = %(of)s),"
    " (SELECT max(m.last_position) FROM archived_streams a JOIN archived_months m ON m.number = a.archive"
    " WHERE a.account_id = %(of)s))"
)


class Accounts:
    """Questions about accounts through one connection. Not for several threads."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def log_end(self) -> int:
        """How far the log reaches, whatever is being committed at this moment included."""
        with self._connection.transaction():
            self._connection.execute(_WAIT_FOR_LOCK, (LOG_LOCK,))
        return last_row(self._connection)[0]

    def require_reached(self, *names: str, log_position: int) -> None:
        """Refuse to go by read tables that are behind. Raises ReadTableMustReachPosition."""
        for name in names:
            row = self._connection.execute(_REACHED, (name,)).fetchone()
            reached = 0 if row is None else int(row[0])
            if reached < log_position:
                raise ReadTableMustReachPosition(wanted=log_position, reached=reached)

    def end_of_firm(self) -> int:
        """The log position of the last fact about the firm itself; 0 without any."""
        row = self._connection.execute(_END_OF_FIRM, {"of": FIRM}).fetchone()
        return 0 if row is None else int(row[0] or 0)

    def corporate_actions(self) -> list[CorporateAction]:
        """All corporate actions as the log has them, by ex-date, then in the order of their announcement."""
        found: dict[UUID, CorporateAction] = {}
        for row in read_account(self._connection, FIRM, up_to=None, at=None):
            if row.topic.startswith("CorporateAction."):
                found[row.originator_id] = fold(found.get(row.originator_id), (row.event(),))
        return sorted(found.values(), key=lambda action: action.ex_date or date.max)

    def holders_ever(self, symbol: str) -> list[UUID]:
        """Accounts that have or had shares of a symbol; with those whose rows have been put aside."""
        return self._distinct((_HELD, symbol), (_PARKED, "positions"))

    def concerned_by(self, symbol: str) -> list[UUID]:
        """Accounts that have or had shares of a symbol, or have open orders in it."""
        return self._distinct(
            (_HELD, symbol), (_ORDERED, symbol), (_PARKED, "positions"), (_PARKED, "open_orders")
        )

    def entitled_to(self, action_id: UUID) -> list[UUID]:
        """Accounts that will be paid a dividend, or have been."""
        return self._distinct((_ENTITLED, str(action_id)), (_PARKED, "dividends"))

    def first_opened(self) -> datetime | None:
        """When the first account was opened."""
        row = self._connection.execute(_FIRST_OPENED).fetchone()
        first = next(iter(all_months(self._connection)), None)
        if first is not None and first.disposed_at is not None:
            return (
                first.first_recorded_at
            )  # the first fact of all is the opening of an account, or shortly before it
        before = archived(self._connection, Wanted(topic="Account.Opened", limit=1))
        if before:
            return before[0].recorded_at
        return None if row is None else row[0]

    def not_closed(self) -> list[UUID]:
        """All accounts that are not closed."""
        found = {row[0] for row in self._connection.execute(_OPENED)}
        found |= {row[0] for row in self._connection.execute(_PARKED, ("balances",))}
        return sorted(found)

    def events_of(self, streams: Sequence[UUID]) -> Iterator[tuple[UUID, list[Event]]]:
        """Streams with their events, oldest first; those without events are left out."""
        for start in range(0, len(streams), CHUNK):
            some = list(streams[start : start + CHUNK])
            yield from self._some_events(some)

    def _some_events(self, streams: list[UUID]) -> Iterator[tuple[UUID, list[Event]]]:
        found: dict[UUID, list[Event]] = {}
        sql = (
            f"SELECT {COLUMNS} FROM stored_events WHERE originator_id = ANY(%s)"
            " ORDER BY originator_id, originator_version"
        )
        for row in rows_of(self._connection.execute(sql.encode(), (streams,))):
            found.setdefault(row.originator_id, []).append(row.event())
        for stream in streams:
            if stream not in found or found[stream][0].originator_version != 1:
                whole = [row.event() for row in read_stream(self._connection, stream)]
                found.update({stream: whole} if whole else {})
        yield from sorted(found.items())

    def _distinct(self, *questions: tuple[str, str]) -> list[UUID]:
        found: set[UUID] = set()
        for sql, parameter in questions:
            found.update(row[0] for row in self._connection.execute(sql.encode(), (parameter,)))
        return sorted(found)
