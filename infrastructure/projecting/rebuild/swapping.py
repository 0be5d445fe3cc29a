"""The new table takes the live one's place, and back again: one transaction each, in which the live lanes are held."""

from typing import Any

import structlog
from psycopg import Connection

from infrastructure.projecting.rebuild import generations as g
from infrastructure.projecting.rebuild import layout
from infrastructure.projecting.rebuild.aims import goals, lag
from infrastructure.projecting.rebuild.generations import PREVIOUS, Building
from infrastructure.projecting.rebuild.share import Share
from infrastructure.projecting.standing import hold

log = structlog.get_logger()

NEAR = 2_000
"""So few events behind, the rest is folded in the transaction that swaps."""

_ASIDE = "_aside"


def swap(connection: Connection[Any], building: Building) -> int:
    """Let the new table go live. The old one is kept as the previous one. Returns its rows."""
    with connection.transaction():
        _catch_up_held(connection, building)
        g.forget_previous(connection, building.name)
        layout.rename(connection, building.name, building.name + PREVIOUS)
        layout.rename(connection, building.table, building.name)
        _exchange_standing(connection, building)
    log.info("a rebuilt table is live", projection=building.name, generation=building.generation)
    row = connection.execute(f"SELECT count(*) FROM read.{building.name}".encode()).fetchone()
    return row[0] if row else 0


def swap_back(connection: Connection[Any], building: Building) -> None:
    """Let the previous table go live again, up to date when this code made it. The live one is the previous then."""
    with connection.transaction():
        if building.version == building.projection.version:
            _catch_up_held(connection, building)
        else:
            hold(connection, building.name)
        g.give_up(connection, building.name)  # it would follow a table that is not live any more
        layout.rename(connection, building.name, building.name + _ASIDE)
        layout.rename(connection, building.table, building.name)
        layout.rename(connection, building.name + _ASIDE, building.table)
        _exchange_standing(connection, building)
        if building.version != building.projection.version:
            _do_not_rebuild(connection, building)
    log.info("went back to the previous table", projection=building.name, generation=building.generation)


def chase(connection: Connection[Any], building: Building, *, to_the_end: bool = False) -> None:
    """Fold until so little is left that it may be folded while the live table is held."""
    share = Share(connection, [building])
    while True:
        g.state_of(connection, building)
        aims = goals(connection, building, to_the_end=to_the_end)
        if lag(g.lanes_of(connection, building), aims) <= NEAR:
            return
        share.step(aims)


def _catch_up_held(connection: Connection[Any], building: Building) -> None:
    # Lanes are locked before tables, as everybody does it.
    hold(connection, building.name)
    g.state_of(connection, building, lock="FOR UPDATE")
    share = Share(connection, [building])
    while share.step(goals(connection, building)):
        pass


def _exchange_standing(connection: Connection[Any], building: Building) -> None:
    name, generation = building.name, building.generation
    connection.execute(
        "UPDATE projection_partitions SET is_live = (generation = %s), failure = NULL WHERE name = %s",
        (generation, name),
    )
    # One after the other, by way of a state that none has: there is one of each at any moment.
    for before, after in ((building.state, "ready"), ("live", "previous"), ("ready", "live")):
        connection.execute(
            "UPDATE projection_generations SET state = %s, updated_at = now() WHERE name = %s AND state = %s",
            (after, name, before),
        )


def _do_not_rebuild(connection: Connection[Any], building: Building) -> None:
    """Who went back does not want the code that is running to build the same table again by itself."""
    connection.execute(
        "UPDATE projection_generations SET detail = detail || jsonb_build_object('went_back_from', %s::int)"
        " WHERE name = %s AND generation = %s",
        (building.projection.version, building.name, building.generation),
    )


def went_back_from(connection: Connection[Any], name: str) -> int | None:
    """The version of the code whose table was taken back, while the one before is live."""
    row = connection.execute(
        "SELECT (detail->>'went_back_from')::int FROM projection_generations WHERE name = %s AND state = 'live'",
        (name,),
    ).fetchone()
    return row[0] if row else None
