"""Which process works on which partition: a lease for each, shared out evenly, taken over when its holder dies.

A process holds all its leases on one connection, as advisory locks of its session. They end with the
process; they end too when it hangs or cannot be reached, because PostgreSQL ends a session that has been idle for
`IDLE_LIMIT_MS`, and a healthy process says something every `LOOK_S`. The locks of the lanes keep the rows
right whoever believes to hold a lease; leases only keep two from doing the same work.

On the same connection each process holds, with all others, a lock that stands for its number of partitions. Whoever
comes with another number is refused: the two would divide every table again and again, each as it was told.
"""

import threading
import time
import zlib
from typing import Any

import psycopg
import structlog

from application.expected import TellTheOperator
from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect

log = structlog.get_logger()

LOOK_S = 0.5
AGAIN_S = 0.1
IDLE_LIMIT_MS = 3_000
"""With LOOK_S less than the 5 seconds in which another must have taken over."""

PATIENCE_S = 4.0
"""So long a projector waits for those with another number to end: longer than the leases of a dead one last."""

_SPACE = zlib.crc32(b"daybook projector") - 2**31
_MEMBER = 1_000_000  # plus the number of partitions: a lock shared by the processes that project with it
_DOOR = 2_000_000  # held while a process finds out whether it may take part

_MEMBERS = (
    "SELECT objid::bigint - %s, count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s"
    " AND objid > %s AND objid < %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " GROUP BY 1 ORDER BY 1"
)


class ProjectorsMustAgreeOnPartitions(TellTheOperator):
    """Projectors with another number of partitions are at work on this database."""

    def __init__(self, at_work: int) -> None:
        named = "1 partition" if at_work == 1 else f"{at_work} partitions"
        super().__init__(
            f"projectors with {named} are at work; stop them all, or start this one with"
            f" DAYBOOK_PROJECTOR_PARTITIONS={at_work}"
        )


def members(connection: psycopg.Connection[Any]) -> dict[int, int]:
    """How many processes project, by their number of partitions."""
    found = connection.execute(_MEMBERS, (_MEMBER, _SPACE % 2**32, _MEMBER, _DOOR))
    return dict(found.fetchall())


def others_at_work(connection: psycopg.Connection[Any], partitions: int) -> list[int]:
    """The other numbers of partitions that processes project with."""
    return [number for number in members(connection) if number != partitions]


def require_agreement(connection: psycopg.Connection[Any], partitions: int) -> None:
    """Raises ProjectorsMustAgreeOnPartitions."""
    for other in others_at_work(connection, partitions):
        raise ProjectorsMustAgreeOnPartitions(other)


class Shares:
    """The leases of one process. `held` is what it may work on; `keep` renews them from time to time."""

    def __init__(self, url: str, partitions: int) -> None:
        self._url = url
        self._partitions = partitions
        self._connection: psycopg.Connection[Any] | None = None
        self.held: frozenset[int] = frozenset()
        self.refusal: ProjectorsMustAgreeOnPartitions | None = None
        self.changed = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Keep the leases until `stop` is set; then let go of them.

        Whoever lost its leases, and finds others with another number when it comes back, notes it as its
        `refusal` and sets `stop`.
        """
        while not stop.is_set():
            try:
                self.keep()
            except ProjectorsMustAgreeOnPartitions as refusal:
                self.refusal = refusal
                stop.set()
            stop.wait(LOOK_S)
        self.release()

    def keep(self) -> frozenset[int]:
        """Renew what is held, take what is free and due to us, give back what is due to others.

        Raises ProjectorsMustAgreeOnPartitions.
        """
        try:
            held = self._shared_out(self._session())
        except psycopg.Error as error:
            log.warning("the projector's leases cannot be held", error=str(error).strip())
            held = frozenset()
            self.release()
        except ProjectorsMustAgreeOnPartitions:
            self.release()
            raise
        if held != self.held:
            log.info("the projector's partitions", held=sorted(held), of=self._partitions)
            self._hold(held)
            self.changed.set()
        return held

    def release(self) -> None:
        """Let others work."""
        self._hold(frozenset())
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _hold(self, held: frozenset[int]) -> None:
        for partition in self.held ^ held:
            lease = f"projector/{partition}"
            FIGURES.add("lease_changes", of=lease)
            FIGURES.note("leases_held", partition in held, of=lease)
        self.held = held

    def _session(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._hold(frozenset())  # locks do not outlive their session
            self._connection = connect(self._url, application="daybook projector leases")
            self._connection.execute(f"SET idle_session_timeout = {IDLE_LIMIT_MS}".encode())
            self._join(self._connection)
        return self._connection

    def _join(self, connection: psycopg.Connection[Any]) -> None:
        """Take part, once nobody does with another number."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and others_at_work(connection, self._partitions):
            time.sleep(AGAIN_S)
        # Of two that come at once with different numbers, one is first.
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_SPACE, _DOOR))
            require_agreement(connection, self._partitions)
            mine = (_SPACE, _MEMBER + self._partitions)
            connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", mine)

    def _shared_out(self, connection: psycopg.Connection[Any]) -> frozenset[int]:
        held, due = set(self.held), self._due(connection)
        for partition in sorted(held)[due:]:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", (_SPACE, partition))
            held.discard(partition)
        for partition in range(self._partitions):
            if len(held) < due and partition not in held and self._take(connection, partition):
                held.add(partition)
        return frozenset(held)

    def _due(self, connection: psycopg.Connection[Any]) -> int:
        """How many partitions each process that takes part may hold."""
        return -(-self._partitions // max(1, members(connection).get(self._partitions, 1)))

    def _take(self, connection: psycopg.Connection[Any], partition: int) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_SPACE, partition)).fetchone()
        return row is not None and bool(row[0])
