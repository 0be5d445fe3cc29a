"""A live table against the naive fold of the log: every event in order, one process, nothing shared with a rebuild."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection

from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import facts_of
from infrastructure.projecting.tables import column_list, row_from
from projections.projection import Projection, Rows, key_of

READ = 50_000


def rows_that_differ(url: str, projection: Projection) -> int:
    """How many rows of the table as it is in one moment are not what the log says up to there."""
    with connect(url, application="soak") as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        stand = _positions(connection, projection.name)
        found = _table(connection, projection)
        wanted = _folded(connection, projection, stand)
    keys = found.keys() | wanted.keys()
    return sum(found.get(key) != wanted.get(key) for key in keys)


def _positions(connection: Connection[Any], name: str) -> Sequence[int]:
    found = connection.execute(
        "SELECT position FROM projection_partitions WHERE name = %s AND is_live ORDER BY partition", (name,)
    )
    return [row[0] for row in found.fetchall()]


def _table(connection: Connection[Any], projection: Projection) -> dict[Any, Any]:
    sql = f"SELECT {column_list(projection.table)} FROM read.{projection.name}"
    rows = [row_from(projection, values) for values in connection.execute(sql.encode()).fetchall()]
    return {key_of(projection, row): row for row in rows}


def _folded(connection: Connection[Any], projection: Projection, stand: Sequence[int]) -> dict[Any, Any]:
    rows, position = Rows[Any](), 0
    while found := read_after(connection, position, limit=READ):
        position = found[-1].log_position
        for fact in facts_of(found):
            if fact.log_position <= stand[_partition(fact.event.account_id, len(stand))]:
                projection.apply(fact, rows)
    return {key_of(projection, row): row for row in rows.changed()}


def _partition(account_id: UUID, partitions: int) -> int:
    return account_id.bytes[-1] % partitions
