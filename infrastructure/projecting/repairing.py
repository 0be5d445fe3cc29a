"""Make all rows of one account anew from the log, while everything goes on."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.errors import AccountMustExist, Conflict
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import COLUMNS, rows_of
from infrastructure.postgres.connections import connect
from infrastructure.projecting import tables
from infrastructure.projecting.folding import Entry, entries_of, fold_rows
from infrastructure.projecting.standing import hold_lane, live_lanes
from projections.projection import Projection, Rows

CHUNK = 5_000
_OF_ACCOUNT = (
    f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s AND notification_id > %s AND notification_id <= %s"
    " ORDER BY notification_id LIMIT %s"
)


class ProjectionMustBeByAccount(Conflict):
    """Rows of this projection are not each of one account, so one account's cannot be made anew: rebuild it."""


class HistoryMustBeFoldable(Conflict):
    """An event of the account cannot be folded: mend the code first. Nothing was changed."""


class Repaired(Struct, frozen=True, kw_only=True):
    """What a repair did: rows of the account before and after, and how many of either the other had not."""

    name: str
    account_id: UUID
    position: int
    events: int
    rows_before: int
    rows_after: int
    differences: int


def repair(url: str, projection: Projection, account_id: UUID) -> Repaired:
    """Fold one account's whole history and put its rows in the place of those that are there.

    Raises ProjectionMustBeByAccount, AccountMustExist, ProjectionMustBeOfThisVersion, FoldFailed. What is parked of the account
    is parked no more: everything up to the projection's position is folded.
    """
    require_by_account(projection)
    with connect(url, application="daybook projections repair") as connection:
        _require_known(connection, projection, account_id)
        lanes = live_lanes(connection, projection.name)
        near = min((lane.position for lane in lanes), default=0)
        rows: Rows[Any] = Rows()
        # Most of the work is done before the projector is made to wait.
        events = fold_account(connection, projection, account_id, rows, after=0, up_to=near)
        with connection.transaction():
            lane = hold_lane(connection, projection, account_id)
            events += fold_account(connection, projection, account_id, rows, after=near, up_to=lane.position)
            before = _rows_of(connection, projection, account_id)
            replace_account(connection, projection, account_id, rows)
            after = _rows_of(connection, projection, account_id)
            connection.execute(
                "DELETE FROM projection_parked WHERE name = %s AND generation = %s AND account_id = %s",
                (lane.name, lane.generation, account_id),
            )
    return Repaired(
        name=projection.name,
        account_id=account_id,
        position=lane.position,
        events=events,
        rows_before=len(before),
        rows_after=len(after),
        differences=len(before ^ after),
    )


def require_by_account(projection: Projection) -> None:
    """Raises ProjectionMustBeByAccount."""
    if not projection.is_by_account():
        raise ProjectionMustBeByAccount(f"the rows of {projection.name} are not each of one account")


def _require_known(connection: Connection[Any], projection: Projection, account_id: UUID) -> None:
    """Rows of an account that the log does not know are there to be removed."""
    sql = (
        "SELECT 1 WHERE EXISTS (SELECT FROM stored_events WHERE account_id = %(of)s)"
        " OR EXISTS (SELECT FROM archived_streams WHERE account_id = %(of)s)"
        f" OR EXISTS (SELECT FROM read.{projection.name} WHERE account_id = %(of)s)"
    )
    found = connection.execute(sql.encode(), {"of": account_id})
    if found.fetchone() is None:
        raise AccountMustExist(f"there is no account {account_id}")


def fold_account(
    connection: Connection[Any],
    projection: Projection,
    account_id: UUID,
    rows: Rows[Any],
    *,
    after: int,
    up_to: int,
) -> int:
    """Fold an account's events of a stretch into rows in memory. Returns how many there were. Raises FoldFailed."""
    events = 0
    for entries in _history(connection, account_id, after, up_to):
        events += fold_rows(projection, entries, rows).events
    return events


def replace_account(
    connection: Connection[Any],
    projection: Projection,
    account_id: UUID,
    rows: Rows[Any],
    *,
    suffix: str = tables.LIVE,
) -> None:
    """Put rows in the place of an account's."""
    connection.execute(
        f"DELETE FROM read.{projection.name}{suffix} WHERE account_id = %s".encode(), (account_id,)
    )
    tables.store(connection, projection, rows, suffix=suffix)


def _history(
    connection: Connection[Any], account_id: UUID, after: int, up_to: int
) -> Iterator[Sequence[Entry]]:
    while True:
        found = rows_of(connection.execute(_OF_ACCOUNT.encode(), (account_id, after, up_to, CHUNK)))
        wanted = Wanted(after=after, up_to=up_to, account_id=account_id, limit=CHUNK)
        entries = entries_of(with_archived(connection, found, wanted))
        if not entries:
            return
        yield entries
        after = entries[-1].log_position


def _rows_of(connection: Connection[Any], projection: Projection, account_id: UUID) -> set[str]:
    columns = tables.column_list(projection.table)
    sql = f"SELECT to_jsonb(t)::text FROM (SELECT {columns} FROM read.{projection.name} WHERE account_id = %s) t"
    return {row[0] for row in connection.execute(sql.encode(), (account_id,)).fetchall()}
