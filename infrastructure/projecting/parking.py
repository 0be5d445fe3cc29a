"""Poison: an event that a projection cannot fold puts its account aside, in that projection alone.

From the poison on, none of the account's events is folded: later ones would build on what is missing. Nothing is
copied, the log has the events. Every other account goes on. Once the code is mended, `retry` folds what was left
out, in order, up to where the others stand.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg import Connection

from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import COLUMNS, rows_of
from infrastructure.postgres import arrays
from infrastructure.postgres.connections import connect
from infrastructure.postgres.together import Statement
from infrastructure.projecting.folding import Entry, FoldFailed, Parked, entries_of, fold_into
from infrastructure.projecting.standing import Lane, hold_lane, said
from projections.catalogue import BY_NAME
from projections.projection import Projection

log = structlog.get_logger()

CHUNK = 5_000

NOT_AN_EVENTS_FAULT = {"0A", "28", "42", "XX"}
"""SQLSTATE classes that say that the table, the rights or PostgreSQL are wrong: then no account is to blame."""

PARK = (
    "INSERT INTO projection_parked (name, generation, account_id, position, topic, error)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (name, generation, account_id) DO UPDATE"
    " SET position = EXCLUDED.position, topic = EXCLUDED.topic, error = EXCLUDED.error,"
    " attempts = projection_parked.attempts + 1"
)
_PARKED = (
    "SELECT k.name, k.account_id, k.position FROM projection_parked k"
    " JOIN (SELECT DISTINCT * FROM unnest(%b, %b)) AS w(name, generation) USING (name, generation)"
)
_LEFT_OUT = (
    f"SELECT {COLUMNS} FROM stored_events WHERE account_id = %s AND notification_id >= %s AND notification_id <= %s"
    " ORDER BY notification_id LIMIT %s"
)


class ParkedAccount(Struct, frozen=True, kw_only=True):
    """An account that a projection has put aside: from `position` on nothing of it is folded, for this error."""

    name: str
    account_id: UUID
    position: int
    topic: str
    error: str
    attempts: int
    parked_at: datetime


class Retried(Struct, frozen=True, kw_only=True):
    """What became of a parked account: how many events were folded, and the error it is parked for again."""

    name: str
    account_id: UUID
    events: int
    error: str | None


def parked_accounts(connection: Connection[Any], name: str | None = None) -> list[ParkedAccount]:
    """Every account that a live projection has put aside, oldest first."""
    found = connection.execute(
        "SELECT k.name, k.account_id, k.position, k.topic, k.error, k.attempts, k.parked_at"
        " FROM projection_parked k JOIN projection_generations g USING (name, generation)"
        " WHERE g.state = 'live' AND (%s::text IS NULL OR k.name = %s) ORDER BY k.parked_at, k.name, k.account_id",
        (name, name),
    )
    names = ParkedAccount.__struct_fields__
    return [ParkedAccount(**dict(zip(names, row, strict=True))) for row in found.fetchall()]


def parked_in(connection: Connection[Any], lanes: Sequence[Lane]) -> dict[str, Parked]:
    """By projection, what is parked in these lanes' tables. Read it while the lanes are locked."""
    sql, columns = parked_among(lanes)
    return parked_of(connection.execute(sql.encode(), columns, prepare=True).fetchall())


def parked_among(lanes: Sequence[Lane]) -> Statement:
    """What asks for what is parked in these lanes' tables."""
    names = arrays.texts([lane.name.encode() for lane in lanes])
    return _PARKED, (names, arrays.int8s([lane.generation for lane in lanes]))


def parked_of(rows: Iterable[Any]) -> dict[str, Parked]:
    """What `parked_among` answered, by projection."""
    by_name: dict[str, dict[UUID, int]] = defaultdict(dict)
    for name, account_id, position in rows:
        by_name[name][account_id] = position
    return dict(by_name)


def park(connection: Connection[Any], lane: Lane, poison: Entry, cause: BaseException) -> None:
    """Put an account aside from this event on. The lane must be locked."""
    at = (lane.name, lane.generation, poison.account_id, poison.log_position)
    connection.execute(PARK, (*at, poison.topic.replace("\x00", "\\0"), said(cause)))
    log.error(
        "an account is parked",
        projection=lane.name,
        account=str(poison.account_id),
        log_position=poison.log_position,
        error=said(cause),
    )


def poison_of(
    connection: Connection[Any],
    projection: Projection,
    entries: Sequence[Entry],
    error: Exception,
    parked: Parked,
) -> tuple[Entry, BaseException] | None:
    """The event that a fold fails at, and why. When the error does not tell, it is tried out, account by account.

    Leaves no trace in the table. None when each account for itself can be folded, or none of them is to blame.
    """
    if isinstance(error, FoldFailed):
        return error.entry, error.cause
    if isinstance(error, psycopg.Error) and (error.sqlstate or "")[:2] in NOT_AN_EVENTS_FAULT:
        return None
    by_account: dict[UUID, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_account[entry.account_id].append(entry)
    for of_account in by_account.values():
        cause = _fails(connection, projection, of_account, parked)
        if cause is not None:
            return _first_failing(connection, projection, of_account, parked), cause
    return None


def _first_failing(
    connection: Connection[Any], projection: Projection, entries: Sequence[Entry], parked: Parked
) -> Entry:
    """The last event of the shortest beginning that fails, by halving."""
    good, bad = 0, len(entries)
    while bad - good > 1:
        middle = (good + bad) // 2
        if _fails(connection, projection, entries[:middle], parked) is None:
            good = middle
        else:
            bad = middle
    return entries[bad - 1]


def _fails(
    connection: Connection[Any], projection: Projection, entries: Sequence[Entry], parked: Parked
) -> BaseException | None:
    try:
        with connection.transaction(force_rollback=True):
            fold_into(connection, projection, entries, parked=parked)
    except psycopg.Error as error:
        if is_outage(error):
            raise
        return error
    except FoldFailed as error:
        return error.cause
    except Exception as error:  # noqa: BLE001  whatever a fold raises makes it a poison
        return error
    return None


def is_outage(error: BaseException) -> bool:
    """Whether an error is PostgreSQL's state, to be waited for, rather than what it was given."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in {"08", "25", "40", "53", "55", "57", "58"}


def retry(url: str, *, names: Sequence[str] = (), account_id: UUID | None = None) -> list[Retried]:
    """Fold what was left out of parked accounts, each in one transaction; all of them when nothing is named."""
    with connect(url, application="daybook projections retry") as connection:
        wanted = [
            one
            for one in parked_accounts(connection)
            if (not names or one.name in names)
            and account_id in (None, one.account_id)
            and one.name in BY_NAME
        ]
        return [resume(connection, BY_NAME[one.name], one.account_id) for one in wanted]


def resume(connection: Connection[Any], projection: Projection, account_id: UUID) -> Retried:
    """Fold what was left out of one account. It is parked again, further on or where it was, when that fails."""
    with connection.transaction():
        lane = hold_lane(connection, projection, account_id)
        found = connection.execute(
            "SELECT position FROM projection_parked WHERE name = %s AND generation = %s AND account_id = %s FOR UPDATE",
            (lane.name, lane.generation, account_id),
        ).fetchone()
        if found is None:
            return Retried(name=projection.name, account_id=account_id, events=0, error=None)
        return _resume(connection, projection, lane, account_id, found[0])


def _resume(
    connection: Connection[Any], projection: Projection, lane: Lane, account_id: UUID, position: int
) -> Retried:
    events = 0
    while entries := _left_out(connection, lane, account_id, position):
        failed = _folded(connection, projection, entries)
        if failed is not None:
            poison, cause = failed
            before = [entry for entry in entries if entry.log_position < poison.log_position]
            fold_into(connection, projection, before)
            park(connection, lane, poison, cause)
            events += len(before)
            return Retried(name=lane.name, account_id=account_id, events=events, error=said(cause))
        events += len(entries)
        position = entries[-1].log_position + 1
    connection.execute(
        "DELETE FROM projection_parked WHERE name = %s AND generation = %s AND account_id = %s",
        (lane.name, lane.generation, account_id),
    )
    return Retried(name=lane.name, account_id=account_id, events=events, error=None)


def _folded(
    connection: Connection[Any], projection: Projection, entries: Sequence[Entry]
) -> tuple[Entry, BaseException] | None:
    """Fold, or leave everything as it was and say what cannot be folded."""
    try:
        with connection.transaction():
            fold_into(connection, projection, entries)
    except Exception as error:
        if is_outage(error):
            raise
        return poison_of(connection, projection, entries, error, {})
    return None


def _left_out(connection: Connection[Any], lane: Lane, account_id: UUID, position: int) -> list[Entry]:
    found = rows_of(connection.execute(_LEFT_OUT.encode(), (account_id, position, lane.position, CHUNK)))
    wanted = Wanted(account_id=account_id, after=position - 1, up_to=lane.position, limit=CHUNK)
    return entries_of(with_archived(connection, found, wanted))
