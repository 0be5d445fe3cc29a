"""The whole examination of a running Daybook's log: published seals, the database's copies, events, guards."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct, structs
from psycopg import Connection

from infrastructure.archiving.checking import altered_files
from infrastructure.archiving.months import all_months
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.sealing.guards import broken_guards, owners_that_run
from infrastructure.sealing.keys import PublicKey
from infrastructure.sealing.reading import BEFORE_ALL, EventSource, LogSource
from infrastructure.sealing.store import SealStore
from infrastructure.sealing.verifying import Copies, Finding, Progress, Verification, Verified

PUBLISHED_WITHIN_S = 2.0
_ALL = 2**62


class Examination(Struct, frozen=True, kw_only=True):
    """What is examined, and how. `is_own_file` says that the lines are the file the sealer writes, so that
    they must have every seal; a copy may be older.
    """

    trusted: Sequence[PublicKey]
    is_own_file: bool = True
    from_position: int = BEFORE_ALL
    to_position: int | None = None
    parallel: int = 1
    tell: Progress = lambda *_: None

    def run(self, url: str, lines: Iterable[bytes], source: EventSource | None = None) -> Verified:
        """Verify, without locking anything. `source` is the log unless told otherwise."""
        with (
            connect(url, application="daybook verify") as connection,
            connect(url, application="daybook verify") as second,
        ):
            store = SealStore(connection)
            number = self._last_number(store)
            last = _ALL if self.to_position is None else self.to_position
            end = max(0, store.events_between(self.from_position, last)) or last_row(connection)[0]
            found = Verification(
                source or LogSource(url),
                trusted=self.trusted,
                copies=Copies(SealStore(second).after(0, up_to=_ALL)),
                span=(max(self.from_position, self._first_kept(connection, store)), self.to_position),
                parallel=self.parallel,
                tell=self.tell,
            ).run(lines, end=end)
            return self._completed(found, connection, number)

    @staticmethod
    def _first_kept(connection: Connection[Any], store: SealStore) -> int:
        """Where seals begin all of whose events are still somewhere: archives may have been destroyed."""
        gone = max((one.last_position for one in all_months(connection) if one.disposed_at), default=None)
        sealed = None if gone is None else store.covering(gone)
        return BEFORE_ALL if sealed is None else sealed.seal.last_position + 1

    def _last_number(self, store: SealStore) -> int:
        """The last seal of the database, once it had its time to be published."""
        number = store.last_number()
        deadline = time.monotonic() + PUBLISHED_WITHIN_S
        while self.is_own_file and store.standing().published_number < number and time.monotonic() < deadline:
            time.sleep(0.05)
        return number

    def _completed(self, found: Verified, connection: Connection[Any], number: int) -> Verified:
        findings, notes = list(found.findings), list(found.notes)
        if number > found.seals and not findings:
            later = f"the published seals end with {found.seals}, the database has {number}"
            if self.is_own_file:
                findings.append(Finding(where="seals", sentence=later, seal=found.seals + 1))
            else:
                notes.append(f"{later}: what came later was not looked at")
        said = {finding.sentence for finding in findings}
        findings += [
            Finding(where="archive", sentence=sentence)
            for sentence in altered_files(connection)
            if sentence not in said
        ]
        findings += [Finding(where="guards", sentence=sentence) for sentence in broken_guards(connection)]
        notes += owners_that_run(connection)
        if gone := [one for one in all_months(connection) if one.disposed_at]:
            notes.append(
                f"the events up to log position {gone[-1].last_position} were destroyed after their years:"
                " of them only the seals were checked"
            )
        row = connection.execute(
            "SELECT count(*) FROM stored_events WHERE notification_id > %s", (found.log_position,)
        ).fetchone()
        if row and row[0] and not findings:
            notes.append(f"{row[0]:,} events after log position {found.log_position} are not in these seals")
        return structs.replace(found, seals_kept=number, findings=findings, notes=notes)
