"""The generation that is being built: begun, gone on with, paused, and given up.

All that a rebuild has to remember is in its generation's row and in its lanes, which move in the
transactions that write the rows. So whoever finds them after a crash can go on.
"""

import hashlib
import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.types.json import Jsonb

from infrastructure.projecting import tables
from infrastructure.projecting.chains import Chain
from infrastructure.projecting.rebuild import layout
from infrastructure.projecting.standing import Lane, add_generation, live_lanes
from projections.projection import Projection

UNFINISHED = ["building", "paused", "failed", "ready"]
PREVIOUS = "_previous"
"""Suffix of the table that was live before the last rebuild."""


class Superseded(Exception):
    """Another process has taken this rebuild over, or given it up."""


class Building(Struct, frozen=True, kw_only=True):
    """A table that is being folded beside the live one, or the one before that is brought up to it.

    `attempt` tells its processes from those of an attempt that was killed.
    """

    projection: Projection
    generation: int
    version: int
    partitions: int
    attempt: int
    suffix: str = tables.SHADOW

    @property
    def name(self) -> str:
        """The projection's name."""
        return self.projection.name

    @property
    def state(self) -> str:
        """What its generation is called while it is folded."""
        return "building" if self.suffix == tables.SHADOW else "previous"

    @property
    def table(self) -> str:
        """The table's name in the schema `read`."""
        return self.projection.name + self.suffix


def fingerprint(projection: Projection) -> str:
    """Of the code that folds and the table it folds into: rows of other code must not be gone on with."""
    kind = type(projection)
    try:
        source = inspect.getsource(inspect.getmodule(kind) or kind)
    except (OSError, TypeError):
        source = kind.__name__
    shape = f"{projection.version} {projection.table} {source}"
    return hashlib.sha256(shape.encode()).hexdigest()


def begin_or_go_on(
    connection: Connection[Any], projection: Projection, *, parallel: int, fresh: bool
) -> Building:
    """The unfinished generation of this very code, or a new one with an empty table."""
    with connection.transaction():
        found = None if fresh else _unfinished(connection, projection)
        if found is not None and layout.exists(connection, projection.name + tables.SHADOW):
            return found
        give_up(connection, projection.name)
        return _begin(connection, projection, parallel)


def _unfinished(connection: Connection[Any], projection: Projection) -> Building | None:
    row = connection.execute(
        "UPDATE projection_generations SET state = 'building', updated_at = now(), detail = (detail - 'error')"
        " || jsonb_build_object('attempt', (detail->>'attempt')::int + 1)"
        " WHERE name = %s AND state = ANY(%s) AND detail->>'fingerprint' = %s"
        " RETURNING generation, version, partitions, (detail->>'attempt')::int",
        (projection.name, UNFINISHED, fingerprint(projection)),
    ).fetchone()
    return None if row is None else building_of(projection, row)


def _begin(connection: Connection[Any], projection: Projection, parallel: int) -> Building:
    partitions = _partitions(connection, projection, parallel)
    lanes = add_generation(connection, projection, partitions=partitions, state="building")
    generation = lanes[0].generation
    connection.execute(
        "UPDATE projection_generations SET detail = %s WHERE name = %s AND generation = %s",
        (Jsonb({"attempt": 1, "fingerprint": fingerprint(projection)}), projection.name, generation),
    )
    layout.create(connection, projection, suffix=tables.SHADOW, is_indexed=not projection.only_adds)
    return building_of(projection, (generation, projection.version, partitions, 1))


def building_of(projection: Projection, row: Sequence[int], *, suffix: str = tables.SHADOW) -> Building:
    """From its generation, version, partitions and attempt."""
    generation, version, partitions, attempt = row
    return Building(
        projection=projection,
        generation=generation,
        version=version,
        partitions=partitions,
        attempt=attempt,
        suffix=suffix,
    )


def _partitions(connection: Connection[Any], projection: Projection, parallel: int) -> int:
    """So many that each worker has some, and that each lies within one of the live table's."""
    live = max((lane.partitions for lane in live_lanes(connection, projection.name)), default=1)
    return int(live * -(-parallel // live)) if projection.is_by_account() else 1


def previous(connection: Connection[Any], projection: Projection) -> Building | None:
    """The table that was live before the last rebuild."""
    row = connection.execute(
        "UPDATE projection_generations SET"
        " detail = detail || jsonb_build_object('attempt', coalesce((detail->>'attempt')::int, 0) + 1)"
        " WHERE name = %s AND state = 'previous'"
        " RETURNING generation, version, partitions, (detail->>'attempt')::int",
        (projection.name,),
    ).fetchone()
    return None if row is None else building_of(projection, row, suffix=PREVIOUS)


def give_up(connection: Connection[Any], name: str) -> None:
    """Drop what an unfinished rebuild has built."""
    connection.execute(
        "DELETE FROM projection_generations WHERE name = %s AND state = ANY(%s)", (name, UNFINISHED)
    )
    layout.drop(connection, name + tables.SHADOW)


def forget_previous(connection: Connection[Any], name: str) -> bool:
    """Drop the table that was live before. False when there was none."""
    gone = connection.execute(
        "DELETE FROM projection_generations WHERE name = %s AND state = 'previous'", (name,)
    )
    layout.drop(connection, name + PREVIOUS)
    return bool(gone.rowcount)


def fail(connection: Connection[Any], building: Building, error: str) -> None:
    """Say why it does not go on; it can be gone on with when the cause is mended."""
    connection.execute(
        "UPDATE projection_generations SET state = 'failed', updated_at = now(),"
        " detail = detail || jsonb_build_object('error', %s::text)"
        " WHERE name = %s AND generation = %s AND state = ANY(%s) AND (detail->>'attempt')::int = %s",
        (error[:500], building.name, building.generation, UNFINISHED, building.attempt),
    )


def state_of(connection: Connection[Any], building: Building, *, lock: str = "") -> str:
    """Its state. With `lock`, kept until the transaction ends. Raises Superseded."""
    sql = (
        "SELECT state FROM projection_generations"
        f" WHERE name = %s AND generation = %s AND (detail->>'attempt')::int = %s {lock}"
    )
    row = connection.execute(sql.encode(), (building.name, building.generation, building.attempt)).fetchone()
    if row is None:
        raise Superseded(f"another process rebuilds {building.name}")
    return str(row[0])


def lanes_of(connection: Connection[Any], building: Building) -> list[Lane]:
    """Its lanes as they stand."""
    found = connection.execute(
        "SELECT partition, position, proved_after, events, chain FROM projection_partitions"
        " WHERE name = %s AND generation = %s ORDER BY partition",
        (building.name, building.generation),
    )
    head = (building.name, building.generation)
    return [
        Lane(
            *head, row[0], building.partitions, building.version, row[1], row[2], Chain.stored(row[3], row[4])
        )
        for row in found.fetchall()
    ]


def positions(connection: Connection[Any], building: Building) -> dict[int, int]:
    """How far each of its partitions has come."""
    return {lane.partition: lane.position for lane in lanes_of(connection, building)}


def failure_of(connection: Connection[Any], building: Building) -> str | None:
    """Why it does not go on. Raises Superseded."""
    if state_of(connection, building) != "failed":
        return None
    row = connection.execute(
        "SELECT detail->>'error' FROM projection_generations WHERE name = %s AND generation = %s",
        (building.name, building.generation),
    ).fetchone()
    return (row and row[0]) or "it failed"


def parked_of(connection: Connection[Any], name: str, generation: int) -> dict[Any, int]:
    """The accounts that a generation has put aside, and from which position on."""
    found = connection.execute(
        "SELECT account_id, position FROM projection_parked WHERE name = %s AND generation = %s",
        (name, generation),
    )
    return dict(found.fetchall())


def let_go(connection: Connection[Any]) -> None:
    """Unlock what keeps others from rebuilding: now, not when PostgreSQL notices that the session has ended."""
    with suppress(psycopg.Error):
        connection.execute("SELECT pg_advisory_unlock_all()")
