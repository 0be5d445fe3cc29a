"""A small batch in two round trips: lock and read, then write and commit, so that an order is soon seen.

On busy cores each round trip waits for a turn on a core twice, which is longer than its statements take. What is parked
is taken as it was last seen, so that the rows can be asked for together with the locks; whether that is still so comes
back with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from infrastructure.eventstore.log import BEGIN, COMMIT
from infrastructure.postgres.connections import has_transaction_timeout
from infrastructure.postgres.together import Statement, Together
from infrastructure.projecting.folding import Parked, Slice
from infrastructure.projecting.parking import parked_among, parked_of
from infrastructure.projecting.standing import Lane, closed, locked, locking, saving
from infrastructure.projecting.together import Share, apply_all, asking, rows_of_all, shares_of
from projections.projection import Projection

Folded = tuple[Sequence[Lane], Sequence[Lane]]
"""The lanes as they were, and as they are."""

_BEGIN: Statement = (BEGIN, ())
_COMMIT: Statement = (COMMIT, ())


def fold_briefly(
    connection: psycopg.Connection[Any],
    wire: Together,
    projections: Mapping[str, Projection],
    lanes: Sequence[Lane],
    entries: Slice,
    *,
    reached: int,
    parked: Mapping[str, Parked],
) -> Folded | None:
    """Fold a batch into the tables of all these lanes in one transaction. None when something else is parked than
    was thought: nothing is done then. Raises LanesMoved, FoldFailed, or what PostgreSQL says.
    """
    shares = shares_of(projections, lanes, entries, parked)
    with _undone(connection):
        lanes_now, parked_now, *found = wire.run(_BEGIN, *_questions(lanes), *asking(shares))[1:]
        if not has_transaction_timeout(connection):
            connection.execute(
                "SELECT 1"
            )  # an older server counts how long we are idle only from a plain statement
        if parked_of(wire.rows(parked_now)) != parked:
            connection.execute("ROLLBACK")
            return None
        now = _stand(shares, locked(wire.rows(lanes_now), lanes))
        statements = apply_all(shares, rows_of_all(wire, shares, found))
        moved = [share.moved(reached) for share in shares]
        wire.run(*statements, saving(closed(connection, moved)), _COMMIT)
    return now, moved


def _questions(lanes: Sequence[Lane]) -> tuple[Statement, Statement]:
    return locking(lanes), parked_among(lanes)


def _stand(shares: Sequence[Share], now: Sequence[Lane]) -> list[Lane]:
    """Give each share its lane as it is: whoever closed its stretch has begun the proof anew."""
    by_name = {lane.name: lane for lane in now}
    for share in shares:
        share.lane = by_name[share.lane.name]
    return [share.lane for share in shares]


@contextmanager
def _undone(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Roll back what fails in between."""
    try:
        yield
    except BaseException:
        if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        raise
