"""`daybook archive dispose`: files are destroyed when the years are over that they had to be kept, and no legal hold stands.

From the oldest on, so that what is left is always the end of the log. It is recorded before the file goes; a run
that was cut off is finished by the next.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from domain.corporate_action import FIRM
from infrastructure.archiving.holds import LegalHoldMustBeLifted
from infrastructure.archiving.months import ArchivedMonth, all_months
from infrastructure.archiving.moving import alone
from infrastructure.postgres.connections import connect

_RECORD = "INSERT INTO archive_disposals (archive, reason, actor) VALUES (%s, %s, %s)"
_HELD = (
    "SELECT h.account_id FROM legal_holds h WHERE h.account_id IS NULL"
    " OR h.account_id IN (SELECT account_id FROM archived_streams WHERE archive = %s)"
    " GROUP BY h.account_id HAVING sum(CASE h.act WHEN 'placed' THEN 1 ELSE -1 END) > 0 LIMIT 1"
)
# The records of an account are kept as long as it is open, and the years after (17 CFR 240.17a-4(c)).
_OPEN = (
    "SELECT o.account_id FROM (SELECT DISTINCT account_id FROM archived_streams WHERE archive = %(archive)s) o"
    " CROSS JOIN LATERAL (SELECT topic, recorded_at FROM"
    " ((SELECT originator_version AS version, topic, recorded_at FROM stored_events WHERE originator_id = o.account_id"
    " ORDER BY originator_version DESC LIMIT 1) UNION ALL"
    " (SELECT last_version, last_topic, last_recorded_at FROM archived_streams WHERE originator_id = o.account_id"
    " ORDER BY last_version DESC LIMIT 1)) AS ends ORDER BY version DESC LIMIT 1) AS last"
    " WHERE split_part(last.topic, ':', 1) <> 'Account.Closed' OR last.recorded_at >= %(before)s LIMIT 1"
)

# What the firm still goes by: corporate actions and interest that are done, and who must be erased again after a restore.
_NEEDED = "SELECT 1 FROM archived_streams WHERE archive = %s AND (account_id = %s OR last_topic LIKE 'Erasure.%%') LIMIT 1"


class Disposal:
    """One run over the archives of a database. `years` is the policy."""

    def __init__(
        self, url: str, *, years: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._url = url
        self._before = years_before(now(), years)

    def due(self) -> list[ArchivedMonth]:
        """The archives that may be destroyed, the oldest first. Raises LegalHoldMustBeLifted when one is due and held."""
        with connect(self._url, application="daybook archive") as connection:
            return list(self._due(connection))

    def run(self, *, reason: str, actor: str) -> Iterator[ArchivedMonth]:
        """Destroy them. Raises LegalHoldMustBeLifted or ArchivingIsUnderWay."""
        with connect(self._url, application="daybook archive") as connection, alone(connection):
            for month in all_months(connection):
                if month.disposed_at is not None:
                    _destroy(month)
            for month in self._due(connection):
                connection.execute(_RECORD, (month.number, reason, actor))
                _destroy(month)
                yield month

    def _due(self, connection: Connection[Any]) -> Iterator[ArchivedMonth]:
        for month in all_months(connection):
            if month.disposed_at is not None:
                continue
            if month.last_recorded_at >= self._before:
                return
            if connection.execute(_OPEN, {"archive": month.number, "before": self._before}).fetchone():
                return
            if connection.execute(_NEEDED, (month.number, FIRM)).fetchone():
                return
            held = connection.execute(_HELD, (month.number,)).fetchone()
            if held is not None:
                raise LegalHoldMustBeLifted(
                    f"a legal hold stands over {held[0] or 'all'}: {month.month:%Y-%m} is kept"
                )
            yield month


def years_before(moment: datetime, years: int) -> datetime:
    """So many years before a moment."""
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:  # the 29th of February
        return moment.replace(year=moment.year - years, day=28)


def _destroy(month: ArchivedMonth) -> None:
    for path in (month.path, month.seals_path):
        path.unlink(missing_ok=True)
