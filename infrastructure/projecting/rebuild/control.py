"""What operators do about a rebuild that is under way, or about one that went live."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import Connection

from domain.errors import Conflict, NotFound
from infrastructure.postgres.connections import connect
from infrastructure.projecting.rebuild import generations as g
from infrastructure.projecting.rebuild import swapping
from infrastructure.projecting.rebuild.aims import goals
from infrastructure.projecting.standing import standings
from projections.projection import Projection


class RebuildMustBeUnderWay(NotFound):
    """No rebuild of this projection has begun and not ended."""


class RebuildMustNotBeAtWork(Conflict):
    """A process rebuilds this projection right now."""


class PreviousTableMustExist(NotFound):
    """The projection has no previous table: it was never rebuilt, or that table was forgotten."""


class UnderWay(Struct, frozen=True, kw_only=True):
    """An unfinished rebuild. Without a process at work (`is_worked_on`) a `rebuild` goes on with it."""

    projection: str
    version: int
    state: str
    position: int
    end: int
    is_worked_on: bool
    started_at: datetime
    updated_at: datetime
    error: str | None


class WentBack(Struct, frozen=True, kw_only=True):
    """The standing of a table that is live again."""

    projection: str
    version: int
    position: int


def under_way(url: str, projections: Sequence[Projection]) -> list[UnderWay]:
    """The unfinished rebuilds of these projections."""
    with connect(url, application="daybook projections") as connection:
        return [found for one in projections for found in _under_way(connection, one)]


def _under_way(connection: Connection[Any], projection: Projection) -> list[UnderWay]:
    row = connection.execute(
        "SELECT g.generation, g.version, g.partitions, coalesce((g.detail->>'attempt')::int, 0), g.state,"
        " avg(p.position)::bigint, g.created_at, max(p.updated_at), g.detail->>'error'"
        " FROM projection_generations g JOIN projection_partitions p USING (name, generation)"
        " WHERE g.name = %s AND g.state = ANY(%s) GROUP BY g.name, g.generation",
        (projection.name, g.UNFINISHED),
    ).fetchone()
    if row is None:
        return []
    building = g.building_of(projection, row[:4])
    return [
        UnderWay(
            projection=projection.name,
            version=row[1],
            state=row[4],
            position=row[5],
            end=max(row[5], *goals(connection, building).values()),
            is_worked_on=not _is_free(connection, projection.name),
            started_at=row[6],
            updated_at=row[7],
            error=row[8],
        )
    ]


def pause(url: str, names: Sequence[str]) -> list[str]:
    """Let rebuilds stop after the chunk at hand; all of them when none is named. Raises RebuildMustBeUnderWay."""
    return _change(url, names, before="building", after="paused")


def resume(url: str, names: Sequence[str]) -> list[str]:
    """Let paused rebuilds go on. Raises RebuildMustBeUnderWay."""
    return _change(url, names, before="paused", after="building")


def _change(url: str, names: Sequence[str], *, before: str, after: str) -> list[str]:
    with connect(url, application="daybook projections") as connection:
        found = connection.execute(
            "UPDATE projection_generations SET state = %s, updated_at = now()"
            " WHERE state = %s AND (%s OR name = ANY(%s)) RETURNING name",
            (after, before, not names, list(names)),
        )
        changed = sorted(row[0] for row in found.fetchall())
    if not changed:
        raise RebuildMustBeUnderWay(
            f"no rebuild is {before}: {', '.join(names) or 'none has begun and not ended'}"
        )
    return changed


def roll_back(url: str, projection: Projection) -> WentBack:
    """Let the previous table go live again in one step; it is brought up to the log first if this code made it.

    Raises PreviousTableMustExist, RebuildMustNotBeAtWork.
    """
    with _taken(url, projection.name) as connection:
        building = g.previous(connection, projection)
        if building is None:
            raise PreviousTableMustExist(f"{projection.name} has no previous table")
        if building.version == projection.version:
            swapping.chase(connection, building)
        swapping.swap_back(connection, building)
        standing = standings(connection)[projection.name]
    return WentBack(projection=projection.name, version=standing.version, position=standing.position)


def forget(url: str, projection: Projection) -> None:
    """Drop the previous table. Raises PreviousTableMustExist, RebuildMustNotBeAtWork."""
    with _taken(url, projection.name) as connection, connection.transaction():
        if not g.forget_previous(connection, projection.name):
            raise PreviousTableMustExist(f"{projection.name} has no previous table")


@contextmanager
def _taken(url: str, name: str) -> Iterator[Connection[Any]]:
    with connect(url, application="daybook rebuild") as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (f"rebuild {name}",)).fetchone()
        if row is None or not row[0]:
            raise RebuildMustNotBeAtWork(f"{name} is being rebuilt; wait for it, or end it")
        try:
            yield connection
        finally:
            g.let_go(connection)


def _is_free(connection: Connection[Any], name: str) -> bool:
    row = connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtext(%s))", (f"rebuild {name}",)
    ).fetchone()
    return row is not None and bool(row[0])
