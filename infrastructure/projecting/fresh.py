"""Fold the log afresh into tables of their own, and compare them row by row with the live ones. Touches nothing live."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection, IsolationLevel

from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.projecting import tables
from infrastructure.projecting.folding import Entry, FoldFailed, Parked, entries_of, fold_into, read_lane
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


@contextmanager
def folded_afresh(
    url: str, projections: Sequence[Projection], tell: Callable[[str, int, int], None]
) -> Iterator["Fresh"]:
    """Fold all that these live tables have folded, with the code as it is, from one pass over the log.

    The tables so made are gone when the block ends. What is parked in a live table is left out of its own as well.
    """
    with connect(url, application="daybook projections verify rows") as connection:
        for projection in sorted(projections, key=lambda one: one.name):
            connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"verify {projection.name}",))
        fresh = Fresh(connection, projections)
        try:
            fresh.fold(tell)
            yield fresh
        finally:
            fresh.drop()


class _Table(Struct):
    """One of the tables that are made: how far it is folded and how far it is to be; why it cannot be."""

    projection: Projection
    goal: int
    parked: Parked
    position: int = 0
    failure: FoldFailed | None = None


class Fresh:
    """Tables of their own, folded together; in memory there is one chunk of the log at a time."""

    def __init__(self, connection: Connection[Any], projections: Sequence[Projection]) -> None:
        self._connection = connection
        self._tables = {one.name: self._begun(one) for one in projections}

    def _begun(self, projection: Projection) -> _Table:
        connection, name = self._connection, projection.name
        tables.drop(connection, projection, suffix=FRESH)
        layout.create(connection, projection, suffix=FRESH, is_indexed=True)
        connection.execute(f"ALTER TABLE read.{name}{FRESH} SET UNLOGGED".encode())
        lanes = live_lanes(connection, name)
        parked = parked_in(connection, lanes[:1]).get(name, {})
        return _Table(projection, min(lane.position for lane in lanes), parked)

    def fold(self, tell: Callable[[str, int, int], None]) -> None:
        """Read the log once, and fold each chunk into every table that has to go so far."""
        end = max((table.goal for table in self._tables.values()), default=0)
        position = 0
        while position < end:
            rows = read_after(self._connection, position, limit=CHUNK)
            position = min(rows[-1].log_position, end) if rows else end
            entries = entries_of(row for row in rows if row.log_position <= end)
            for table in self._tables.values():
                self._fold(table, entries, min(position, table.goal))
            tell("rows", position, end)

    def _fold(self, table: _Table, entries: Sequence[Entry], up_to: int) -> None:
        if table.failure is not None or table.position >= up_to:
            return
        own = [entry for entry in entries if entry.log_position <= up_to]
        try:
            with self._connection.transaction():
                fold_into(self._connection, table.projection, own, suffix=FRESH, parked=table.parked)
        except FoldFailed as error:
            table.failure = error
        table.position = up_to

    def difference(self, projection: Projection) -> Difference:
        """Bring one of them to where the live table stands in one moment, and compare the two."""
        table, connection = self._tables[projection.name], self._connection
        if table.failure is not None:
            return _not_folded(table.failure)
        connection.execute(f"ANALYZE read.{projection.name}{FRESH}".encode())
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with connection.transaction():
                _come_to_the_live_one(connection, projection, table.position, table.parked)
                return _difference(connection, projection)
        except FoldFailed as error:
            return _not_folded(error)
        finally:
            connection.isolation_level = None

    def drop(self) -> None:
        """Remove them all."""
        for table in self._tables.values():
            tables.drop(self._connection, table.projection, suffix=FRESH)


def _not_folded(error: FoldFailed) -> Difference:
    return Difference(rows=0, differing=0, first=f"the log cannot be folded afresh: {error}")


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
