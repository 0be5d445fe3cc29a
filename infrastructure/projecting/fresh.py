"""Fold the log afresh into a table of its own, and compare it row by row with the live one. Touches nothing live."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection, IsolationLevel

from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.projecting import tables
from infrastructure.projecting.folding import FoldFailed, Parked, entries_of, fold_into, read_lane
from infrastructure.projecting.parking import parked_in
from infrastructure.projecting.rebuild import layout
from infrastructure.projecting.repairing import fold_account, replace_account
from infrastructure.projecting.standing import Lane, live_lanes
from projections.projection import Projection, Rows

FRESH = "_fresh"
CHUNK = 5_000


class Difference(Struct, frozen=True, kw_only=True):
    """How the live table and the fold of the log compare at one position; `first` explains the first difference."""

    rows: int
    differing: int
    first: str | None


def compare_with_fresh(url: str, projection: Projection, tell: Callable[[str, int, int], None]) -> Difference:
    """Fold all that the live table has folded, with the code as it is, and compare.

    What is parked in the live table is left out here as well.
    """
    with connect(url, application=f"daybook verify {projection.name}") as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"verify {projection.name}",))
        tables.drop(connection, projection, suffix=FRESH)
        layout.create(connection, projection, suffix=FRESH, is_indexed=True)
        connection.execute(f"ALTER TABLE read.{projection.name}{FRESH} SET UNLOGGED".encode())
        try:
            return _compare(connection, projection, tell)
        except FoldFailed as error:
            return Difference(rows=0, differing=0, first=f"the log cannot be folded afresh: {error}")
        finally:
            tables.drop(connection, projection, suffix=FRESH)


def _compare(
    connection: Connection[Any], projection: Projection, tell: Callable[[str, int, int], None]
) -> Difference:
    lanes = live_lanes(connection, projection.name)
    parked = parked_in(connection, lanes[:1]).get(projection.name, {})
    goal = min(lane.position for lane in lanes)
    position = 0
    while position < goal:
        position = _chunk(connection, projection, position, goal, parked)
        tell(f"rows of {projection.name}", position, goal)
    connection.execute(f"ANALYZE read.{projection.name}{FRESH}".encode())
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        _come_to_the_live_one(connection, projection, position, parked)
        return _difference(connection, projection)


def _chunk(
    connection: Connection[Any], projection: Projection, position: int, goal: int, parked: Parked
) -> int:
    rows = [row for row in read_after(connection, position, limit=CHUNK) if row.log_position <= goal]
    with connection.transaction():
        fold_into(connection, projection, entries_of(rows), suffix=FRESH, parked=parked)
    return rows[-1].log_position if rows else goal


def _come_to_the_live_one(
    connection: Connection[Any], projection: Projection, position: int, parked: Parked
) -> None:
    """Fold each partition up to where the live one stands in this snapshot, with what is parked in it."""
    lanes = live_lanes(connection, projection.name)
    now = parked_in(connection, lanes[:1]).get(projection.name, {})
    for lane in lanes:
        at = Lane(lane.name, lane.generation, lane.partition, lane.partitions, lane.version, position)
        while at.position < lane.position:
            rows, reached = read_lane(connection, at, limit=CHUNK, up_to=lane.position)
            fold_into(connection, projection, entries_of(rows), suffix=FRESH, parked=now)
            at = at.moved(reached, at.chain)
    ends = {lane.partition: lane.position for lane in lanes}
    for account_id in {account for account, _ in parked.items() ^ now.items()}:
        end = ends[account_id.bytes[15] % len(lanes)]
        rows_now: Rows[Any] = Rows()
        up_to = min(end, now.get(account_id, end + 1) - 1)
        fold_account(connection, projection, account_id, rows_now, after=0, up_to=up_to)
        replace_account(connection, projection, account_id, rows_now, suffix=FRESH)


def _difference(connection: Connection[Any], projection: Projection) -> Difference:
    table = projection.table
    columns, key = tables.column_list(table), ", ".join(table.key)
    apart = " OR ".join(f"l.{column.name} IS DISTINCT FROM f.{column.name}" for column in table.columns)
    sql = (
        f"SELECT count(*) OVER (), to_jsonb(l), to_jsonb(f) FROM (SELECT {columns} FROM read.{table.name}) l"
        f" FULL JOIN (SELECT {columns} FROM read.{table.name}{FRESH}) f USING ({key})"
        f" WHERE {apart} ORDER BY {key} LIMIT 1"
    )
    row = connection.execute(sql.encode()).fetchone()
    counted = connection.execute(f"SELECT count(*) FROM read.{table.name}{FRESH}".encode()).fetchone()
    rows = counted[0] if counted else 0
    if row is None:
        return Difference(rows=rows, differing=0, first=None)
    return Difference(
        rows=rows, differing=row[0], first=explained(projection, _fields(row[1]), _fields(row[2]))
    )


def _fields(row: bytes | None) -> dict[str, Any] | None:
    return None if row is None else msgspec.json.decode(row, type=dict[str, Any])


def explained(projection: Projection, live: dict[str, Any] | None, fresh: dict[str, Any] | None) -> str:
    """What differs between two rows of one key; None for a row that is not there."""
    row = live or fresh or {}
    key = ", ".join(f"{name} {row[name]}" for name in projection.key_columns)
    if live is None:
        return f"the row {key} is missing"
    if fresh is None:
        return f"the row {key} must not be there"
    apart = [
        f"{name} is {live[name]!r}, must be {fresh[name]!r}" for name in live if live[name] != fresh[name]
    ]
    return f"in the row {key}: {'; '.join(apart)}"
