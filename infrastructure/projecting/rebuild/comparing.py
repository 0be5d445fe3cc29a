"""Two tables compared row by row at the same place of the log, while both go on.

The live table is looked at in one snapshot, the new one is brought to exactly the positions of that snapshot. Both are
summed up by buckets of their keys: number of rows and sum of their hashes. Only buckets that differ are
looked at row by row. No lock is held, and the projector is not kept waiting.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from infrastructure.postgres.connections import connect
from infrastructure.postgres.niceness import be_nice
from infrastructure.projecting.rebuild import generations as g
from infrastructure.projecting.rebuild.aims import behind, is_followed
from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.rebuild.manner import NICENESS
from infrastructure.projecting.rebuild.share import Share
from infrastructure.projecting.standing import Lane, live_lanes

BUCKETS = 4096
EXAMPLES = 10


class Comparison(Struct, frozen=True, kw_only=True):
    """What two tables differ in. `columns` are those that should be equal; none when nothing was compared.

    So many parked accounts were `left_out`.
    """

    columns: list[str] = []
    differences: int = 0
    examples: list[str] = []
    left_out: int = 0

    @property
    def compared(self) -> bool:
        """Whether there was anything to compare with."""
        return bool(self.columns)


def compare(url: str, connection: Connection[Any], building: Building) -> Comparison:
    """Bring the new table to where the live one stands and compare them."""
    with _snapshot(url, building) as then:
        live = live_lanes(then, building.name)
        if not is_followed(building, live) or not _reach(connection, building, live):
            return Comparison()
        columns = _columns(then, building)
        if not set(building.projection.key_columns) <= set(columns):
            return Comparison()
        left_out = _left_out(then, connection, building, live[0].generation)
        sides = [
            _Side(then, building.name, building, columns, left_out),
            _Side(connection, building.table, building, columns, left_out),
        ]
        differing = _differing(*sides)
        return Comparison(
            columns=columns,
            differences=len(differing),
            examples=differing[:EXAMPLES],
            left_out=len(left_out),
        )


@contextmanager
def _snapshot(url: str, building: Building) -> Iterator[Connection[Any]]:
    with connect(url, application=f"daybook rebuild {building.name}") as then:
        be_nice(then, NICENESS)
        then.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield then
        then.execute("ROLLBACK")


def _reach(connection: Connection[Any], building: Building, live: list[Lane]) -> bool:
    """Fold up to these lanes. False when they do not stand where ours can be brought to."""
    aims = behind(building, live)
    share = Share(connection, [building])
    while share.step(aims):
        pass
    at = {lane.partition: lane.position for lane in live}
    mine = {lane.partition: lane.position for lane in g.lanes_of(connection, building)}
    return all(mine[byte % len(mine)] == at[byte % len(at)] for byte in range(256))


def _columns(then: Connection[Any], building: Building) -> list[str]:
    """What should be equal: columns that both have, of the same type, and that the new version does not change."""
    found = then.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
        " WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped",
        (f"read.{building.name}",),
    )
    there = {
        name: "timestamptz" if kind.startswith("timestamp with") else kind for name, kind in found.fetchall()
    }
    projection = building.projection
    table = projection.table.columns
    return [c.name for c in table if there.get(c.name) == c.sql_type and c.name not in projection.changes]


def _left_out(
    then: Connection[Any], connection: Connection[Any], building: Building, live: int
) -> list[UUID]:
    parked = g.parked_of(then, building.name, live)
    parked |= g.parked_of(connection, building.name, building.generation)
    return list(parked) if building.projection.is_by_account() else []


class _Side:
    """One of the two tables. Its connection decides at which moment it is looked at."""

    def __init__(
        self,
        connection: Connection[Any],
        table: str,
        building: Building,
        columns: Sequence[str],
        left_out: Sequence[UUID],
    ) -> None:
        self._connection = connection
        self._left_out = list(left_out)
        key = ", ".join(building.projection.key_columns)
        where = " WHERE account_id <> ALL(%s)" if self._left_out else ""
        self._sql = (
            f"SELECT ROW({key})::text AS key, hash_record_extended(ROW({key}), 0) & {BUCKETS - 1} AS bucket,"
            f" hash_record_extended(ROW({', '.join(columns)}), 1) AS hash FROM read.{table}{where}"
        )

    def sums(self) -> dict[int, tuple[int, int]]:
        """Rows and the sum of their hashes, by bucket."""
        sql = f"SELECT bucket, count(*), sum(hash::numeric) FROM ({self._sql}) AS rows GROUP BY bucket"
        return {row[0]: (row[1], int(row[2])) for row in self._all(sql)}

    def rows(self, buckets: Sequence[int]) -> set[tuple[str, int]]:
        """Key and hash of every row in these buckets."""
        sql = f"SELECT key, hash FROM ({self._sql}) AS rows WHERE bucket = ANY(%s)"
        return {(row[0], row[1]) for row in self._all(sql, list(buckets))}

    def _all(self, sql: str, *parameters: Any) -> list[Any]:
        wanted = [self._left_out, *parameters] if self._left_out else list(parameters)
        return self._connection.execute(sql.encode(), wanted).fetchall()


def _differing(one: _Side, other: _Side) -> list[str]:
    """The keys of rows that are in one table only, or not the same in both."""
    here, there = one.sums(), other.sums()
    buckets = [bucket for bucket in here.keys() | there.keys() if here.get(bucket) != there.get(bucket)]
    if not buckets:
        return []
    return sorted({key for key, _ in one.rows(buckets) ^ other.rows(buckets)})
