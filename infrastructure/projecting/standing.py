"""Where each partition of each projection stands: read, locked, moved on, divided.

A `Lane` is one partition of one generation of a projection. Whoever writes into its table locks the lane first;
several lanes are locked in the order of their names and partitions, so that nobody waits in a circle. A lane
that is not live any more, or was divided anew meanwhile, cannot be locked: `LanesMoved`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection

from domain.errors import Conflict
from infrastructure.postgres import arrays
from infrastructure.postgres.arrays import Column
from infrastructure.postgres.together import Statement
from infrastructure.projecting.chains import Chain, partition_of
from projections.projection import Projection

STRETCH = 10_000
"""A proof is closed after so many positions, so that a difference is found within so many."""

_FIELDS = "p.name, p.generation, p.partition, g.partitions, g.version, p.position, p.proved_after, p.events, p.chain"
_FROM = " FROM projection_partitions p JOIN projection_generations g USING (name, generation)"
_SAVE = (
    "UPDATE projection_partitions p SET position = n.position, proved_after = n.proved_after, events = n.events,"
    " chain = n.chain, updated_at = n.at, failure = NULL FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b)"
    " AS n(name, generation, partition, position, proved_after, events, chain, at)"
    " WHERE (p.name, p.generation, p.partition) = (n.name, n.generation, n.partition)"
)
_LOCK = (
    f"SELECT {_FIELDS}{_FROM} JOIN unnest(%b, %b, %b) AS w(name, generation, partition)"
    " ON (p.name, p.generation, p.partition) = (w.name, w.generation, w.partition)"
    " WHERE p.is_live ORDER BY p.name, p.partition FOR UPDATE OF p"
)
_CLOSE = (
    "INSERT INTO projection_proofs"
    " (name, generation, after_position, up_to_position, partitions, partition, events, chain)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)


class LanesMoved(Exception):
    """Somebody else moved, divided or replaced what was about to be folded into: look again."""


class ProjectionMustBeOfThisVersion(Conflict):
    """The table was made by another version of the projection's code: it must be rebuilt first."""


class Lane(Struct, frozen=True):
    """One partition of a projection's table: all its events up to `position` are folded.

    `chain` is the proof of those after `proved_after`; those before are proved by closed stretches.
    """

    name: str
    generation: int
    partition: int
    partitions: int
    version: int
    position: int
    proved_after: int = 0
    chain: Chain = Chain()

    def moved(self, position: int, chain: Chain) -> "Lane":
        """Further on."""
        return replace(self, position=position, chain=chain)


class Standing(Struct, frozen=True):
    """Where a live projection stands, all partitions together."""

    name: str
    generation: int
    version: int
    partitions: int
    position: int
    updated_at: datetime
    failure: str | None
    parked: int


def standings(connection: Connection[Any]) -> dict[str, Standing]:
    """Every live projection's standing, by name."""
    found = connection.execute(
        "SELECT name, generation, version, partitions, position, updated_at, failure, parked FROM projections"
    )
    return {row[0]: Standing(*row) for row in found.fetchall()}


def live_lanes(
    connection: Connection[Any], name: str | None = None, *, partition: int | None = None
) -> list[Lane]:
    """Live lanes as they are now, by name and partition; not locked."""
    sql = (
        f"SELECT {_FIELDS}{_FROM} WHERE p.is_live AND (%s::text IS NULL OR p.name = %s)"
        " AND (%s::int IS NULL OR p.partition = %s) ORDER BY p.name, p.partition"
    )
    return _lanes(connection, sql, (name, name, partition, partition))


def lock(connection: Connection[Any], lanes: Sequence[Lane], *, anywhere: bool = False) -> list[Lane]:
    """Lock live lanes and return them as they are.

    Raises LanesMoved when one is gone or divided anew, or, unless told that it may stand `anywhere`, not where it
    was read.
    """
    sql, columns = locking(lanes)
    return locked(
        connection.execute(sql.encode(), columns, prepare=True).fetchall(), lanes, anywhere=anywhere
    )


def locking(lanes: Sequence[Lane]) -> Statement:
    """What locks live lanes, in the order in which everybody does it."""
    return _LOCK, _named(lanes)


def locked(rows: Iterable[Any], lanes: Sequence[Lane], *, anywhere: bool = False) -> list[Lane]:
    """The lanes as they are, out of what `locking` answered. Raises LanesMoved as `lock` does."""
    found = {(lane.name, lane.partition): lane for lane in (_lane(*row) for row in rows)}
    for lane in lanes:
        now = found.get((lane.name, lane.partition))
        # Of another number of partitions it is of other accounts, though it may stand where the old one stood.
        if now is None or now.partitions != lane.partitions:
            raise LanesMoved(lane.name)
        if not anywhere and now.position != lane.position:
            raise LanesMoved(lane.name)
    return list(found.values())


def hold(connection: Connection[Any], name: str) -> list[Lane]:
    """Lock all live lanes of a projection, wherever they stand, until the transaction ends.

    Nobody else divides or replaces them meanwhile. Empty when the projection never began.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"hold {name}",))
    sql = f"SELECT {_FIELDS}{_FROM} WHERE p.is_live AND p.name = %s ORDER BY p.partition FOR UPDATE OF p"
    return _lanes(connection, sql, (name,))


def hold_lane(connection: Connection[Any], projection: Projection, account_id: UUID) -> Lane:
    """Lock the live lane that an account belongs to. Raises ProjectionMustBeOfThisVersion."""
    while True:
        with suppress(LanesMoved):  # divided or replaced between the look and the lock
            return _hold_lane(connection, projection, account_id)


def _hold_lane(connection: Connection[Any], projection: Projection, account_id: UUID) -> Lane:
    lanes = live_lanes(connection, projection.name)
    if not lanes or lanes[0].version != projection.version:
        raise ProjectionMustBeOfThisVersion(
            f"the table of {projection.name} is not of version {projection.version}"
        )
    wanted = partition_of(account_id, lanes[0].partitions)
    return lock(connection, [lane for lane in lanes if lane.partition == wanted], anywhere=True)[0]


def save(connection: Connection[Any], lanes: Sequence[Lane]) -> None:
    """Write where locked lanes have come to, one statement for all, and close the stretches that are long enough."""
    sql, columns = saving(closed(connection, lanes))
    connection.execute(sql.encode(), columns, prepare=True)


def closed(connection: Connection[Any], lanes: Sequence[Lane]) -> list[Lane]:
    """Locked lanes, of which the stretches that are long enough are closed."""
    return [_closed(connection, lane) if _is_long(lane) else lane for lane in lanes]


def saving(lanes: Sequence[Lane]) -> Statement:
    """What writes where locked lanes have come to."""
    return _SAVE, (
        *_named(lanes),
        arrays.int8s([lane.position for lane in lanes]),
        arrays.int8s([lane.proved_after for lane in lanes]),
        arrays.int8s([lane.chain.events for lane in lanes]),
        arrays.byteas([lane.chain.bytes for lane in lanes]),
        arrays.times([datetime.now(UTC)] * len(lanes)),
    )


def _named(lanes: Sequence[Lane]) -> tuple[Column, ...]:
    return (
        arrays.texts([lane.name.encode() for lane in lanes]),
        arrays.int8s([lane.generation for lane in lanes]),
        arrays.int8s([lane.partition for lane in lanes]),
    )


def fail(connection: Connection[Any], lane: Lane, error: BaseException) -> None:
    """Show why a lane does not go on."""
    connection.execute(
        "UPDATE projection_partitions SET failure = %s WHERE name = %s AND generation = %s AND partition = %s",
        (said(error), lane.name, lane.generation, lane.partition),
    )


def said(error: BaseException) -> str:
    """An error as it is shown and stored: no longer than a line or two, and nothing PostgreSQL refuses."""
    return repr(error)[:500].replace("\x00", "\\0")


def add_generation(
    connection: Connection[Any], projection: Projection, *, partitions: int = 1, state: str = "live"
) -> list[Lane]:
    """A new generation at the log's beginning, with its lanes. The table is the caller's to make."""
    row = connection.execute(
        "INSERT INTO projection_generations (name, generation, version, partitions, state)"
        " SELECT %s, coalesce(max(generation), 0) + 1, %s, %s, %s FROM projection_generations WHERE name = %s"
        " RETURNING generation",
        (projection.name, projection.version, partitions, state, projection.name),
    ).fetchone()
    assert row is not None, "an INSERT that returns"  # noqa: S101
    lanes = [
        Lane(projection.name, row[0], number, partitions, projection.version, 0)
        for number in range(partitions)
    ]
    add_lanes(connection, lanes, is_live=state == "live")
    return lanes


def add_lanes(connection: Connection[Any], lanes: Sequence[Lane], *, is_live: bool) -> None:
    """Begin lanes where they say they stand, with an empty proof from there on."""
    for lane in lanes:
        connection.execute(
            "INSERT INTO projection_partitions (name, generation, partition, is_live, position, proved_after)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (lane.name, lane.generation, lane.partition, is_live, lane.position, lane.proved_after),
        )


def close_proof(connection: Connection[Any], lane: Lane) -> None:
    """Keep what a lane has proved so far. It goes on with an empty proof from its position."""
    _closed(connection, lane)


def _closed(connection: Connection[Any], lane: Lane) -> Lane:
    if lane.position > lane.proved_after:
        at = (lane.proved_after, lane.position, lane.partitions, lane.partition)
        connection.execute(_CLOSE, (lane.name, lane.generation, *at, lane.chain.events, lane.chain.bytes))
    return replace(lane, proved_after=lane.position, chain=Chain())


def _is_long(lane: Lane) -> bool:
    return lane.position - lane.proved_after >= STRETCH


def _lanes(connection: Connection[Any], sql: str, parameters: Sequence[Any]) -> list[Lane]:
    found = connection.execute(sql.encode(), parameters, prepare=True)
    return [_lane(*row) for row in found.fetchall()]


def _lane(name: str, generation: int, partition: int, partitions: int, version: int, *rest: Any) -> Lane:
    position, proved_after, events, chain = rest
    known = Chain.stored(events, chain)
    return Lane(name, generation, partition, partitions, version, position, proved_after, known)
