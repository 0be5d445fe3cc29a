"""A slice of the log into a projection's table and its position, in one transaction of the caller's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from psycopg import Connection

from infrastructure.eventstore.log import Recorded
from infrastructure.projecting import tables
from projections.projection import Fact, Projection


class PositionMoved(Exception):
    """Somebody else moved this projection's position: what was folded does not continue it."""


class Standing(Struct, frozen=True):
    """Where a projection stands."""

    name: str
    version: int
    position: int
    updated_at: datetime
    failure: str | None


def facts_of(rows: Sequence[Recorded]) -> list[Fact]:
    """The rows decoded. Raises EventIsUnreadable."""
    return [Fact(row.log_position, row.topic, row.event(), row.metadata) for row in rows]


def fold_into(
    connection: Connection[Any],
    projection: Projection,
    facts: Sequence[Fact],
    *,
    suffix: str = tables.LIVE,
) -> None:
    """Fold facts into the projection's rows and write what changed."""
    wanted = [fact for fact in facts if projection.handles(fact.event)]
    keys = list({projection.key(fact.event, fact) for fact in wanted})
    rows = tables.load(connection, projection, keys, suffix=suffix)
    for fact in wanted:
        projection.apply(fact, rows)
    tables.store(connection, projection, rows, suffix=suffix)


def standings(connection: Connection[Any]) -> dict[str, Standing]:
    """Every projection's standing, by name."""
    found = connection.execute("SELECT name, version, position, updated_at, failure FROM projections")
    return {row[0]: Standing(*row) for row in found.fetchall()}


def move(connection: Connection[Any], name: str, *, before: int, after: int) -> None:
    """Move a position on, from where it was read. Raises PositionMoved."""
    moved = connection.execute(
        "UPDATE projections SET position = %s, updated_at = %s, failure = NULL WHERE name = %s AND position = %s",
        (after, datetime.now(UTC), name, before),
    )
    if moved.rowcount != 1:
        raise PositionMoved(name)


def begin(connection: Connection[Any], projection: Projection) -> None:
    """Make the projection's table and its standing at the log's beginning, unless both are there.

    One without the other tells nothing about what has been folded, so both are made anew. A table of
    another version is left as it is: a rebuild replaces it.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"begin {projection.name}",))
        if projection.name in standings(connection) and tables.exists(connection, projection):
            return
        tables.drop(connection, projection)
        tables.create(connection, projection)
        connection.execute(
            "INSERT INTO projections (name, version, position, updated_at) VALUES (%s, %s, 0, %s)"
            " ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version, position = 0,"
            " updated_at = EXCLUDED.updated_at, failure = NULL",
            (projection.name, projection.version, datetime.now(UTC)),
        )
