"""What part of the books is meant: whose, which days, and as known when.

    wanted = Wanted(account_id=…, since=date(2026, 3, 1), until=date(2026, 3, 31), known_at=…)
    with opened(url, wanted) as (connection, scope): …       # one moment of the database for all that follows

Two exports of the same days as known at the same moment are the same bytes, so "as known" is brought down to
a log position here, and nothing that comes after it in the log is looked at.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from application.errors import ReadTableMustReachPosition
from domain.errors import AccountMustExist, InstantMustBeWellFormed
from domain.journal import Book
from infrastructure.eventstore.log import LOG_LOCK, has_account, last_row, read_at
from infrastructure.postgres.connections import connect
from infrastructure.projecting.verifying import snapshot

TABLES = ("journal", "balances", "positions")
"""What the closing balances are taken from."""

USED = (
    "HAVING bool_or(booked_on >= %(since)s) OR sum(amount) FILTER (WHERE booked_on < %(since)s) <> 0"
    " OR sum(cost) FILTER (WHERE booked_on < %(since)s) <> 0"
)
"""Of groups of the journal's rows, those that an entry of the days or an opening balance names."""

WAIT_FOR_LOCK = "SELECT pg_advisory_xact_lock_shared(%s)"
LOOK_AGAIN_S = 0.1


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for. Days are inclusive; None is everything, all days, and what is known now."""

    account_id: UUID | None = None
    books: tuple[Book, ...] = tuple(Book)
    since: date | None = None
    until: date | None = None
    known_at: datetime | None = None


class Scope(Struct, frozen=True, kw_only=True):
    """What is exported: entries up to `log_position`, dated from `since` to `until`, of some books."""

    account_id: UUID | None
    books: tuple[Book, ...]
    since: date | None
    until: date
    log_position: int
    recorded_at: datetime | None

    @property
    def parameters(self) -> dict[str, Any]:
        """What `IN_SCOPE` names."""
        return {
            "account_id": self.account_id,
            "books": [book.value for book in self.books],
            "since": self.since or date.min,
            "until": self.until,
            "position": self.log_position,
        }

    @property
    def in_scope(self) -> str:
        """The journal's rows that count, from the first day on: a condition in SQL."""
        of = "" if self.account_id is None else " AND account_id = %(account_id)s"
        return f"log_position <= %(position)s AND booked_on <= %(until)s AND book = ANY(%(books)s){of}"


@contextmanager
def opened(
    url: str, wanted: Wanted, *, now: Callable[[], datetime] | None = None, patience: float = 30
) -> Iterator[tuple[Connection[Any], Scope]]:
    """One moment of the database, in which the tables have reached what is wanted.

    Raises AccountMustExist, InstantMustBeWellFormed for a moment that has not passed, or
    ReadTableMustReachPosition when the tables do not get there in time.
    """
    with connect(url, application="daybook export") as connection:
        position, recorded_at = _known(connection, wanted.known_at, now or (lambda: datetime.now(UTC)))
        await_tables(connection, position, patience)
        with snapshot(connection):
            if wanted.account_id is not None:
                require_account(connection, wanted.account_id)
            yield connection, _scope(connection, wanted, position, recorded_at)


def _scope(connection: Connection[Any], wanted: Wanted, position: int, recorded_at: datetime | None) -> Scope:
    until = wanted.until
    if until is None:
        found = connection.execute(
            "SELECT max(booked_on) FROM read.journal WHERE log_position <= %s", (position,)
        ).fetchone()
        until = (found and found[0]) or wanted.since or date(1970, 1, 1)
    if wanted.since is not None and until < wanted.since and wanted.until is not None:
        raise InstantMustBeWellFormed(f"the days end on {until}, before they begin on {wanted.since}")
    return Scope(
        account_id=wanted.account_id,
        books=wanted.books,
        since=wanted.since,
        until=max(until, wanted.since or until),
        log_position=position,
        recorded_at=recorded_at,
    )


def _known(
    connection: Connection[Any], at: datetime | None, now: Callable[[], datetime]
) -> tuple[int, datetime | None]:
    """The last log position that was recorded by then, and when it was."""
    end, recorded_at = last_row(connection)
    if at is None:
        return end, recorded_at
    if recorded_at is None or at >= recorded_at:
        if at >= now():
            raise InstantMustBeWellFormed(f"{at.isoformat()} has not passed")
        with connection.transaction():  # what is being decided right now may bear this moment's stamp
            connection.execute(WAIT_FOR_LOCK, (LOG_LOCK,))
        end, recorded_at = last_row(connection)
    return _last_by(connection, at, end)


def _last_by(connection: Connection[Any], at: datetime, end: int) -> tuple[int, datetime | None]:
    """The log's time never runs backwards and its positions have no holes, so halving finds it."""
    low, high, found = 0, end, None
    while low < high:
        middle = (low + high + 1) // 2
        row = read_at(connection, middle)
        assert row is not None, "positions have no holes"  # noqa: S101
        moment = row.recorded_at
        low, high, found = (middle, high, moment) if moment <= at else (low, middle - 1, found)
    return low, found


def await_tables(connection: Connection[Any], position: int, patience: float) -> None:
    """Wait until the tables have reached a log position. Raises ReadTableMustReachPosition."""
    deadline = time.monotonic() + patience
    while True:
        rows = connection.execute(
            "SELECT name, position FROM projections WHERE name = ANY(%s)", (list(TABLES),)
        ).fetchall()
        reached = min((row[1] for row in rows), default=0) if len(rows) == len(TABLES) else 0
        if reached >= position:
            return
        if time.monotonic() >= deadline:
            raise ReadTableMustReachPosition(wanted=position, reached=reached)
        time.sleep(LOOK_AGAIN_S)


def require_account(connection: Connection[Any], account_id: UUID) -> None:
    """Raises AccountMustExist."""
    if not has_account(connection, account_id):
        raise AccountMustExist(f"there is no account {account_id}")
