"""The watch over the tail of the books: beside the projector, all the time, and at little cost.

It follows the journal's table, checks what is new, and notes how far every rule holds. An event that it cannot read
stops it for that customer alone, and is noted, too; so is whatever else it fails at, and tried again now and then. How far it has come is kept in a
table beside the read tables: were that lost, the watch would begin anew. When a rule is broken it says so once, and
looks at the same place again from time to time: a repair or rebuild may have mended the table. Until then that is
what it tells, however far the log goes on, and also after a restart.
"""

import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg import Connection

from infrastructure.books.checking import Checker, LeftOut
from infrastructure.books.comparing import compare_tables
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease

log = structlog.get_logger()

LOOK_S = 1.0
PAGE = 200
"""Events it looks at without a rest: it shares the interpreter with the projector, who wants to go on at once."""
REST = 3
"""After each page it rests so many times as long as it worked: others need the processor more."""
AGAIN_S = 30.0
"""So long it waits before it looks again at a rule that was broken, or tries again what failed."""

TABLE = (
    "CREATE TABLE IF NOT EXISTS read.books_watch (id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),"
    " position bigint NOT NULL, violated_at bigint, violation text, checked_at timestamptz NOT NULL DEFAULT now());"
    "ALTER TABLE read.books_watch ADD COLUMN IF NOT EXISTS failed_at bigint, ADD COLUMN IF NOT EXISTS failure text,"
    " ADD COLUMN IF NOT EXISTS compared bigint, ADD COLUMN IF NOT EXISTS violated_of uuid"
)
_NOTE = (
    "INSERT INTO read.books_watch (position, compared, violated_at, violated_of, violation, failed_at, failure)"
    " VALUES (%(position)s, %(compared)s, %(at)s, %(of)s, %(said)s, %(failed_at)s, %(failure)s)"
    " ON CONFLICT (id) DO UPDATE SET position = EXCLUDED.position, compared = EXCLUDED.compared,"
    " violated_at = EXCLUDED.violated_at, violated_of = EXCLUDED.violated_of, violation = EXCLUDED.violation,"
    " failed_at = EXCLUDED.failed_at, failure = EXCLUDED.failure, checked_at = now()"
)
_BEGUN = (
    "SELECT position, coalesce(compared, position), violated_at, violated_of, violation FROM read.books_watch"
)
_FAILED = "UPDATE read.books_watch SET failed_at = position + 1, failure = %s"
# A table of before has no columns for failures until the watch begins.
SEEN = (
    "SELECT position, violated_at, violation, checked_at, (to_jsonb(w) ->> 'failed_at')::bigint,"
    " to_jsonb(w) ->> 'failure' FROM read.books_watch w"
)


class Watched(Struct, frozen=True, kw_only=True):
    """How far every rule of the books holds; `violation` tells what was found at `violated_at`.

    `failure` tells what could not be checked from `failed_at` on.
    """

    position: int
    violated_at: int | None
    violation: str | None
    checked_at: datetime
    failed_at: int | None = None
    failure: str | None = None


class _Found(Struct, frozen=True):
    """A violation as it was first told. `of_tables` is the customer about whom the tables do not agree, else None."""

    at: int
    said: str
    of_tables: UUID | None = None


class BooksWatch:
    """Runs in a thread of the projector, in one of them at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lease = Lease(url, "books watch")
        self._checker: Checker | None = None
        self._compared = 0
        self._found: _Found | None = None
        self._noted: tuple[int, int, str | None, str | None] | None = None
        self._said: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set, whatever PostgreSQL does meanwhile."""
        while not stop.is_set():
            try:
                if self._lease.hold():
                    self._watch(stop)
            except psycopg.Error as error:
                log.warning("the books' watch lost PostgreSQL", error=str(error).strip())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again later
                self._failed(error)
                stop.wait(AGAIN_S)
            stop.wait(LOOK_S)
        self._lease.release()

    def _failed(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:500]
        self._say(reason)
        self._noted = None
        with suppress(psycopg.Error), connect(self._url, application="daybook books watch") as connection:
            connection.execute(_FAILED, (reason,))

    def _say(self, reason: str | None) -> None:
        if reason is not None and reason != self._said:
            log.error("the books cannot be checked", reason=reason)
        self._said = reason

    def _watch(self, stop: threading.Event) -> None:
        with connect(self._url, application="daybook books watch") as connection:
            connection.execute(TABLE.encode())
            connection.execute("SET synchronous_commit = off")  # a note that is lost is made again
            self._checker = self._noted = None
            while not stop.is_set() and self._lease.hold():
                began = time.monotonic()
                violation, has_more = self.look(connection)
                worked = time.monotonic() - began
                stop.wait(AGAIN_S if violation else REST * worked if has_more else max(LOOK_S, REST * worked))

    def look(self, connection: Connection[Any]) -> tuple[str | None, bool]:
        """Check one page more. The violation that was found, as it is told, and whether there is more to do at once."""
        checker = self._checker or self._begin(connection)
        if self._is_unmended(connection):
            return self._said_of_found(), False
        before, log_end = checker.position, last_row(connection)[0]
        goal = min(_projected(connection), log_end)
        violation = checker.page(up_to=goal) if checker.read_to < goal else None
        is_done = checker.read_to >= goal
        if violation is None and is_done and goal == log_end:
            violation = checker.end()
        self._found = None if violation is None else _Found(violation.log_position, str(violation))
        if violation is None and is_done:
            self._compare(connection, checker.position)
        self._checker = None if self._found else checker  # what was read may have been mended
        left_out = min(checker.left_out.values(), key=lambda one: one.log_position, default=None)
        self._note(connection, before if self._found else checker.position, left_out)
        return self._said_of_found(), not is_done

    def _begin(self, connection: Connection[Any]) -> Checker:
        """Go on where it stands in the table."""
        row = connection.execute(_BEGUN.encode()).fetchone()
        position, self._compared, at, of_tables, said = row or (0, 0, None, None, None)
        self._found = None if at is None or said is None else _Found(at, said, of_tables)
        after = min(position, last_row(connection)[0])
        return Checker(connection, after=after, with_aggregates=False, leaves_out=True, page=PAGE)

    def _is_unmended(self, connection: Connection[Any]) -> bool:
        """Whether the tables still do not agree about the customer whom they were found apart about."""
        if self._found is None or self._found.of_tables is None:
            return False
        violation, position = compare_tables(connection, account_id=self._found.of_tables, tries=1)
        return violation is not None or position is None

    def _compare(self, connection: Connection[Any], position: int) -> None:
        """Compare the tables about whom something was booked since they were compared last, if they stand together."""
        if position <= self._compared:
            return
        violation, at = compare_tables(connection, after=self._compared, tries=1)
        if violation is not None:
            self._found = _Found(violation.log_position, str(violation), violation.account_id)
        elif at is not None:
            self._compared = min(at, position)

    def _said_of_found(self) -> str | None:
        return None if self._found is None else self._found.said

    def _note(self, connection: Connection[Any], position: int, left_out: LeftOut | None) -> None:
        found = self._found
        said = self._said_of_found()
        failed_at, failure = (None, None) if left_out is None else (left_out.log_position, left_out.reason)
        if failed_at is not None:
            position = min(position, failed_at - 1)  # who begins anew meets it again
        if self._noted == (position, self._compared, said, failure):
            return
        self._say(failure)
        if said is not None and (self._noted is None or self._noted[2] != said):
            log.error("the books are not right", violation=said)
        told = {
            "position": position,
            "compared": self._compared,
            "at": None if found is None else found.at,
            "of": None if found is None else found.of_tables,
            "said": said,
            "failed_at": failed_at,
            "failure": failure,
        }
        connection.execute(_NOTE.encode(), told)
        self._noted = (position, self._compared, said, failure)


def seen_by_watch(connection: Connection[Any]) -> Watched | None:
    """What the watch has noted, None before it has begun."""
    found = connection.execute("SELECT to_regclass('read.books_watch')").fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute(SEEN.encode()).fetchone()
    if row is None:
        return None
    position, violated_at, violation, checked_at, failed_at, failure = row
    return Watched(
        position=position,
        violated_at=violated_at,
        violation=violation,
        checked_at=checked_at,
        failed_at=failed_at,
        failure=failure,
    )


def _projected(connection: Connection[Any]) -> int:
    found = connection.execute("SELECT position FROM projections WHERE name = 'journal'").fetchone()
    return int(found[0]) if found else 0
