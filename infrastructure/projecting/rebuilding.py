"""Build a projection's table anew beside the live one, compare them row by row, and swap them.

Commands, queries and the projector go on throughout. Only the swap itself holds the live projection still:
in one transaction it locks the projection's standing, folds the last events into the new table, compares
both tables at the same log position, and exchanges their names.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from msgspec import Struct
from psycopg import Connection

from infrastructure.eventstore.log import last_row, read_after
from infrastructure.postgres.connections import connect
from infrastructure.projecting import tables
from infrastructure.projecting.folding import begin, facts_of, fold_into, standings
from projections.projection import Projection

log = structlog.get_logger()

CHUNK = 5_000
NEAR = 2_000
"""So few events behind, the rest is folded in the transaction that swaps."""

Progress = Callable[[str, int, int], None]


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a rebuild did. `differences` counts rows that are in one table only, or not the same."""

    projection: str
    events: int
    rows: int
    differences: int
    compared: bool
    seconds: float


def rebuild(url: str, projection: Projection, *, progress: Progress | None = None) -> Rebuilt:
    """Rebuild one projection from the beginning of the log.

    `progress(name, position, end)` is called after each chunk. The tables are compared when
    both were made by the same version of the projection; differences are counted and reported, and
    the new table, which is the fold of the log, takes over either way.
    """
    began = time.monotonic()
    with connect(url, application=f"daybook rebuild {projection.name}") as connection:
        _only_one(connection, projection)
        begin(connection, projection)
        tables.drop(connection, projection, suffix=tables.SHADOW)
        tables.create(connection, projection, suffix=tables.SHADOW)
        position = _build(connection, projection, progress)
        with connection.transaction():
            rows, differences, compared, position = _swap(connection, projection, position)
    return Rebuilt(
        projection=projection.name,
        events=position,
        rows=rows,
        differences=differences,
        compared=compared,
        seconds=round(time.monotonic() - began, 3),
    )


def _only_one(connection: Connection[Any], projection: Projection) -> None:
    """Two rebuilds of one projection must not share a shadow table: the second waits for the first."""
    connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"rebuild {projection.name}",))


def _goal(connection: Connection[Any], projection: Projection) -> int:
    """Where the live table stands, so that both can be compared there; the log's end if they cannot be."""
    standing = standings(connection)[projection.name]
    is_comparable = standing.version == projection.version and standing.position > 0
    return standing.position if is_comparable else last_row(connection)[0]


def _build(connection: Connection[Any], projection: Projection, progress: Progress | None) -> int:
    position, end = 0, _goal(connection, projection)
    while end - position > NEAR:
        position = _chunk(connection, projection, position, end)
        if progress is not None:
            progress(projection.name, position, end)
        end = _goal(connection, projection)
    return position


def _chunk(connection: Connection[Any], projection: Projection, position: int, end: int) -> int:
    rows = [row for row in read_after(connection, position, limit=CHUNK) if row.log_position <= end]
    with connection.transaction():
        fold_into(connection, projection, facts_of(rows), suffix=tables.SHADOW)
    return rows[-1].log_position if rows else end


def _swap(connection: Connection[Any], projection: Projection, position: int) -> tuple[int, int, bool, int]:
    # Holds the projector back before anything else is locked: it takes the standing first, too.
    connection.execute("SELECT FROM projections WHERE name = %s FOR UPDATE", (projection.name,))
    standing, end = standings(connection)[projection.name], _goal(connection, projection)
    while position < end:
        position = _chunk(connection, projection, position, end)
    same_place = standing.version == projection.version and standing.position == position
    differences = _differences(connection, projection) if same_place else 0
    if differences:
        log.warning("the live table differed from the log", projection=projection.name, rows=differences)
    _exchange(connection, projection)
    connection.execute(
        "UPDATE projections SET version = %s, position = %s, updated_at = %s, failure = NULL WHERE name = %s",
        (projection.version, position, datetime.now(UTC), projection.name),
    )
    count = connection.execute(f"SELECT count(*) FROM read.{projection.name}".encode()).fetchone()
    return count[0] if count else 0, differences, same_place, position


def _differences(connection: Connection[Any], projection: Projection) -> int:
    """Rows of either table that the other does not have in exactly this form."""
    columns, name = tables.column_list(projection.table), projection.name
    live = f"SELECT {columns} FROM read.{name}"
    shadow = f"SELECT {columns} FROM read.{name}{tables.SHADOW}"
    sql = f"SELECT count(*) FROM (({live} EXCEPT {shadow}) UNION ALL ({shadow} EXCEPT {live})) AS differing"
    row = connection.execute(sql.encode()).fetchone()
    return row[0] if row else 0


def _exchange(connection: Connection[Any], projection: Projection) -> None:
    """The new table under the live name, with the index names of a live table; the old one is dropped."""
    name, shadow = projection.name, projection.name + tables.SHADOW
    statements = [
        f"DROP TABLE read.{name}",
        f"ALTER TABLE read.{shadow} RENAME TO {name}",
        f"ALTER INDEX read.{shadow}_pkey RENAME TO {name}_pkey",
    ]
    for number, _ in enumerate(projection.table.indexes, 1):
        statements.append(f"ALTER INDEX read.{shadow}_{number} RENAME TO {name}_{number}")
    for statement in statements:
        connection.execute(statement.encode())
