"""A lease: of several processes that could do a job, one does it.

It is a session advisory lock on a connection of its own, so it ends with the process or its connection,
and another takes over as soon as PostgreSQL notices.
"""

import zlib
from typing import Any

import psycopg
import structlog

from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect

log = structlog.get_logger()

_SPACE = 0x6461_7962  # "dayb": the first key of all our leases


class Lease:
    """The right to do a job called `name`."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._key = zlib.crc32(name.encode()) - 2**31
        self._connection: psycopg.Connection[Any] | None = None
        self._is_held = False

    def hold(self) -> bool:
        """Take the lease or make sure that we still have it; False when another has it or nobody can tell."""
        try:
            if self._connection is None:
                self._connection = connect(self._url, application=f"daybook lease {self._name}")
                return self._take(self._connection)
            self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            log.warning("the lease cannot be held", lease=self._name, error=str(error).strip())
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let another do the job."""
        if self._is_held:
            self._is_held = False
            FIGURES.add("lease_changes", of=self._name)
            FIGURES.note("leases_held", 0, of=self._name)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take(self, connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_SPACE, self._key)).fetchone()
        if row is not None and row[0]:
            log.info("took the lease", lease=self._name)
            self._is_held = True
            FIGURES.add("lease_changes", of=self._name)
            FIGURES.note("leases_held", 1, of=self._name)
            return True
        self.release()
        return False
