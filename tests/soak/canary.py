"""Projections that are wrong in one event of a million must be caught: `python -m tests.soak.canary --events 1000000`.

Two canaries fold a long log as the projector does. One is never given the event: its proof says so. The other is
given it and does nothing: its rows say so. An honest one beside them must be found right.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from msgspec import Struct

from infrastructure.postgres.connections import connect
from infrastructure.projecting import worker
from infrastructure.projecting.folding import Entry, entries_of
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.verifying import Verified, verify
from projections.balances import Balances
from projections.projection import Fact, Projection, Rows
from tests.soak.projections import database
from tests.soak.rebuild_log import lengthen

TOPIC = "Account.Deposited"


class Caught(Struct, frozen=True, kw_only=True):
    """What was found out about each of the three."""

    honest: Verified
    not_given: Verified
    ignored: Verified

    @property
    def is_right(self) -> bool:
        """Whether both canaries were caught, and nobody else."""
        missing = [one.events_in_log - one.events_consumed for one in self.not_given.partings]
        return self.honest.is_right and missing == [1] and self.ignored.rows_differing == 1


def sing(url: str) -> Caught:
    """Fold the log three times. The event that is left out is a deposit in the middle."""
    left_out = _in_the_middle(url)
    return Caught(
        honest=_folded(url, Balances()),
        not_given=_folded(url, Balances(), given=lambda entry: entry.log_position != left_out),
        ignored=_folded(url, _deaf_to(left_out)),
    )


def _in_the_middle(url: str) -> int:
    with connect(url, application="canary") as connection:
        row = connection.execute(
            "SELECT max(notification_id) FROM stored_events WHERE topic = %s AND notification_id <="
            " (SELECT max(notification_id) * 2 / 3 FROM stored_events)",
            (TOPIC,),
        ).fetchone()
    assert row is not None
    return int(row[0])


def _deaf_to(position: int) -> Projection:
    canary, honest = Balances(), Balances()

    def apply(fact: Fact, rows: Rows[Any]) -> None:
        if fact.log_position != position:
            honest.apply(fact, rows)

    canary.apply = apply  # type: ignore[method-assign]
    return canary


def _folded(url: str, projection: Projection, *, given: Callable[[Entry], bool] = lambda _: True) -> Verified:
    """From nothing to the end of the log, then verified by the code as it should be."""
    with connect(url, application="canary") as connection:
        connection.execute("DELETE FROM projection_generations WHERE name = %s", (projection.name,))
    worker.entries_of = lambda rows: [entry for entry in entries_of(rows) if given(entry)]  # type: ignore[assignment]
    try:
        while not _caught_up(url, projection):
            pass
    finally:
        worker.entries_of = entries_of
    (found,) = verify(url, [Balances()], rows=True)
    return found


def _caught_up(url: str, projection: Projection) -> bool:
    """On a busy machine PostgreSQL takes us for hung and ends the session; then we go on, as the role does."""
    with suppress(psycopg.OperationalError):
        Projector(url, [projection], wake=threading.Event()).catch_up()
        return True
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when the canaries are caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    wanted, began = parser.parse_args(arguments), time.monotonic()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with database() as url:
        lengthen(url, wanted.events)
        found = sing(url)
    for name, one in (("honest", found.honest), ("not given", found.not_given), ("ignored", found.ignored)):
        verdict = "; ".join([*(parting.sentence() for parting in one.partings), one.first_difference or ""])
        sys.stdout.write(f"{name}: {one.events:,} events, {verdict or 'right'}\n")
    sys.stdout.write(f"{'caught' if found.is_right else 'NOT CAUGHT'} in {time.monotonic() - began:.0f} s\n")
    return 0 if found.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
