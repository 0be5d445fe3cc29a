"""Change how many partitions a live projection has: bring all to one position, then share the accounts out anew."""

from typing import Any

import structlog
from psycopg import Connection

from infrastructure.projecting.folding import NOBODY, entries_of, fold_into, read_lane
from infrastructure.projecting.parking import is_outage, park, parked_in, poison_of
from infrastructure.projecting.sharing import others_at_work
from infrastructure.projecting.standing import Lane, add_lanes, close_proof, hold, live_lanes, save
from projections.projection import Projection

log = structlog.get_logger()

CHUNK = 5_000


def divide(connection: Connection[Any], projection: Projection, partitions: int) -> bool:
    """Give the live table so many partitions, unless it has. Whether it was done.

    One transaction, in which all its lanes are locked. What each partition has proved is kept as closed proofs.
    A table of another version is left alone: it is going to be rebuilt. So is any table while others project with
    another number: they would divide it back.
    """
    wanted = partitions if projection.is_by_account() else 1
    lanes = live_lanes(connection, projection.name)
    if not lanes or lanes[0].partitions == wanted or lanes[0].version != projection.version:
        return False
    with connection.transaction():
        lanes = hold(connection, projection.name)
        if not lanes or lanes[0].partitions == wanted or others_at_work(connection, partitions):
            return False
        _divide(connection, align(connection, projection, lanes), wanted)
    log.info("divided a projection", projection=projection.name, before=len(lanes), now=wanted)
    return True


def align(connection: Connection[Any], projection: Projection, lanes: list[Lane]) -> list[Lane]:
    """Fold each held lane up to where the foremost stands. Poison is parked at once."""
    goal = max(lane.position for lane in lanes)
    aligned = []
    for lane in lanes:
        while lane.position < goal:
            lane = _chunk(connection, projection, lane, goal)
        aligned.append(lane)
    return aligned


def _chunk(connection: Connection[Any], projection: Projection, lane: Lane, goal: int) -> Lane:
    rows, reached = read_lane(connection, lane, limit=CHUNK, up_to=goal)
    entries = entries_of(rows)
    while True:
        parked = parked_in(connection, [lane]).get(lane.name, NOBODY)
        try:
            with connection.transaction():
                chain = fold_into(connection, projection, entries, parked=parked, chain=lane.chain)
        except Exception as error:
            poison = None if is_outage(error) else poison_of(connection, projection, entries, error, parked)
            if poison is None:
                raise
            park(connection, lane, *poison)
        else:
            save(connection, [lane.moved(reached, chain)])
            return next(now for now in live_lanes(connection, lane.name) if now.partition == lane.partition)


def _divide(connection: Connection[Any], lanes: list[Lane], partitions: int) -> None:
    for lane in lanes:
        close_proof(connection, lane)
    first = lanes[0]
    connection.execute(
        "DELETE FROM projection_partitions WHERE name = %s AND generation = %s",
        (first.name, first.generation),
    )
    connection.execute(
        "UPDATE projection_generations SET partitions = %s, updated_at = now() WHERE name = %s AND generation = %s",
        (partitions, first.name, first.generation),
    )
    position = first.position
    new = [
        Lane(first.name, first.generation, number, partitions, first.version, position, position)
        for number in range(partitions)
    ]
    add_lanes(connection, new, is_live=True)
