"""A live table against the naive fold of the log: every event in order, one process, nothing shared with a rebuild.

The log is only ever added to, so its events are decoded once; each look folds all of them anew.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection

from infrastructure.eventstore.log import read_after
from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import facts_of
from infrastructure.projecting.tables import column_list, row_from
from projections.projection import Fact, Projection, Rows, key_of

READ = 50_000


class NaiveLog:
    """The whole log in memory."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._facts: list[Fact] = []

    def rows_that_differ(self, projection: Projection) -> int:
        """How many rows of the table as it is in one moment are not what the log says up to there."""
        with connect(self._url, application="soak") as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            stand = _positions(connection, projection.name)
            found = _table(connection, projection)
            self._learn(connection)
        wanted = _folded(self._facts, projection, stand)
        keys = found.keys() | wanted.keys()
        return sum(found.get(key) != wanted.get(key) for key in keys)

    def _learn(self, connection: Connection[Any]) -> None:
        end = self._facts[-1].log_position if self._facts else 0
        while rows := read_after(connection, end, limit=READ):
            self._facts += facts_of(rows)
            end = rows[-1].log_position


def _positions(connection: Connection[Any], name: str) -> Sequence[int]:
    found = connection.execute(
        "SELECT position FROM projection_partitions WHERE name = %s AND is_live ORDER BY partition", (name,)
    )
    return [row[0] for row in found.fetchall()]


def _table(connection: Connection[Any], projection: Projection) -> dict[Any, Any]:
    sql = f"SELECT {column_list(projection.table)} FROM read.{projection.name}"
    rows = [row_from(projection, values) for values in connection.execute(sql.encode()).fetchall()]
    return {key_of(projection, row): row for row in rows}


def _folded(facts: Sequence[Fact], projection: Projection, stand: Sequence[int]) -> dict[Any, Any]:
    rows = Rows[Any]()
    for fact in facts:
        if fact.log_position <= stand[_partition(fact.event.account_id, len(stand))]:
            projection.apply(fact, rows)
    return {key_of(projection, row): row for row in rows.changed()}


def _partition(account_id: UUID, partitions: int) -> int:
    return account_id.bytes[-1] % partitions
