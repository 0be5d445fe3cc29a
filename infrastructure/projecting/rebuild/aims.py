"""How far a table that is being built is to be folded: never past the live one that it is compared with."""

from typing import Any

from psycopg import Connection

from infrastructure.eventstore.log import last_row
from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.rebuild.share import Goals
from infrastructure.projecting.standing import Lane, live_lanes


def is_followed(building: Building, live: list[Lane]) -> bool:
    """Whether there is a live table to be compared with: one that has folded something."""
    return any(lane.position for lane in live)


def goals(
    connection: Connection[Any], building: Building, *, to_the_end: bool = False
) -> dict[tuple[str, int], int]:
    """Where the live lanes stand, for each of ours; the log's end when there is nothing to follow.

    `to_the_end` is for a table that was compared with one of another version, which stands still.
    """
    live = live_lanes(connection, building.name)
    stands_still = any(lane.version != building.version for lane in live)
    if not is_followed(building, live) or (to_the_end and stands_still):
        end = last_row(connection)[0]
        return {(building.name, number): end for number in range(building.partitions)}
    return behind(building, live)


def behind(building: Building, live: list[Lane]) -> dict[tuple[str, int], int]:
    """For each of our lanes, where the live ones of its accounts stand: the hindmost of them."""
    found = {}
    for number in range(building.partitions):
        whose = {byte % live[0].partitions for byte in range(256) if byte % building.partitions == number}
        found[building.name, number] = min(lane.position for lane in live if lane.partition in whose)
    return found


def lag(lanes: list[Lane], aims: Goals) -> int:
    """How many positions the hindmost lane has before it."""
    return max(max(0, aims[lane.name, lane.partition] - lane.position) for lane in lanes)
