"""Which process works on which partition: a lease for each, shared out evenly, taken over when its holder dies.

A process holds all its leases on one connection, as advisory locks of its session. They end with the
process; they end too when it hangs or cannot be reached, because PostgreSQL ends a session that has been idle for
`IDLE_LIMIT_MS`, and a healthy process says something every `LOOK_S`. The locks of the lanes keep the rows
right whoever believes to hold a lease; leases only keep two from doing the same work.
"""

import threading
import zlib
from typing import Any

import psycopg
import structlog

from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect

log = structlog.get_logger()

LOOK_S = 0.5
IDLE_LIMIT_MS = 3_000
"""With LOOK_S less than the 5 seconds in which another must have taken over."""

_SPACE = zlib.crc32(b"daybook projector") - 2**31
_MEMBER = 1_000_000  # a lock that all share; its holders are the processes that take part


class Shares:
    """The leases of one process. `held` is what it may work on; `keep` renews them from time to time."""

    def __init__(self, url: str, partitions: int) -> None:
        self._url = url
        self._partitions = partitions
        self._connection: psycopg.Connection[Any] | None = None
        self.held: frozenset[int] = frozenset()
        self.changed = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Keep the leases until `stop` is set; then let go of them."""
        while not stop.is_set():
            self.keep()
            stop.wait(LOOK_S)
        self.release()

    def keep(self) -> frozenset[int]:
        """Renew what is held, take what is free and due to us, give back what is due to others."""
        try:
            held = self._shared_out(self._session())
        except psycopg.Error as error:
            log.warning("the projector's leases cannot be held", error=str(error).strip())
            held = frozenset()
            self.release()
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
            self._connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (_SPACE, _MEMBER))
        return self._connection

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
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (_SPACE % 2**32, _MEMBER),
        ).fetchone()
        members = max(1, row[0] if row else 1)
        return -(-self._partitions // members)

    def _take(self, connection: psycopg.Connection[Any], partition: int) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_SPACE, partition)).fetchone()
        return row is not None and bool(row[0])
