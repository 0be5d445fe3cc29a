"""Build projections' tables anew beside the live ones, compare them row by row, and swap them.

Commands, queries and the projector go on throughout:

1. load: the log is read in big chunks and folded in memory; rows go into `read.<name>_shadow` by COPY, and each
   chunk is noted in the transaction that writes it. Several projections share one read, several processes the work.
2. index, then catch up with what has happened meanwhile.
3. compare with the live table at the same place of the log, without a lock (`comparing`).
4. swap: in one transaction the live lanes are held, the last events folded, and the names exchanged (`swapping`).

Whenever it is cut off, nothing is lost but a chunk: the next rebuild of the same code goes on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from psycopg import Connection

from infrastructure.postgres.connections import connect
from infrastructure.projecting.folding import FoldFailed, begin
from infrastructure.projecting.parking import is_outage
from infrastructure.projecting.rebuild import crew, layout, swapping
from infrastructure.projecting.rebuild import generations as g
from infrastructure.projecting.rebuild.aims import goals, lag
from infrastructure.projecting.rebuild.comparing import Comparison, compare
from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.rebuild.manner import USUAL, Manner, yielding
from infrastructure.projecting.rebuild.reports import Pace, Rebuilt, Report
from projections.projection import Projection

log = structlog.get_logger()

Progress = Callable[[Report], None]

_LOCK = "SELECT pg_advisory_lock(hashtext(%s))"


class RebuildFailed(Exception):
    """A projection could not be folded. What was built so far is kept, to be gone on with."""

    @property
    def operator_message(self) -> str:
        return str(self)


class RebuildIsNotWanted(Exception):
    """The table of this version was taken back by hand, so it is not built again until somebody asks for it."""


def cut_off_by(error: BaseException) -> str | None:
    """What cut a rebuild off, in a sentence without secrets; None for a fault of ours."""
    if isinstance(error, crew.WorkerFailed):
        return str(error)
    if is_outage(error):
        return "the database went away or cannot be reached"
    return None


def rebuild(
    url: str, projection: Projection, *, progress: Progress | None = None, is_asked_for: bool = True
) -> Rebuilt:
    """Rebuild one projection. Raises RebuildFailed; RebuildIsNotWanted only when nobody asked for it."""
    if not is_asked_for:
        with connect(url, application="daybook rebuild") as connection:
            if swapping.went_back_from(connection, projection.name) == projection.version:
                raise RebuildIsNotWanted(
                    f"the table of version {projection.version} was taken back; this one stands still until"
                    f" its own code runs or `daybook projections rebuild {projection.name}` is asked for"
                )
    (found,) = rebuild_together(url, [projection], progress=progress)
    if found.failure is not None:
        raise RebuildFailed(found.failure)
    return found


def rebuild_together(
    url: str,
    projections: Sequence[Projection],
    *,
    parallel: int = 1,
    fresh: bool = False,
    manner: Manner | None = None,
    progress: Progress | None = None,
) -> list[Rebuilt]:
    """Rebuild projections from one read of the log, by so many processes; by this one alone for 1.

    An unfinished rebuild of the same code is gone on with unless `fresh`. One projection that fails does not keep
    the others from going live. Tables are compared where both have the same columns; differences are
    counted and reported, and the new table, which is the fold of the log, takes over either way.
    """
    tell = progress or (lambda _: None)
    return _Rebuild(url, projections, parallel=parallel, manner=manner or USUAL, progress=tell).run(
        fresh=fresh
    )


@contextmanager
def alone(url: str, names: Sequence[str]) -> Iterator[Connection[Any]]:
    """A connection while which nobody else rebuilds these or takes them back: the second waits for the first."""
    with connect(url, application="daybook rebuild") as connection:
        for name in sorted(names):
            connection.execute(_LOCK, (f"rebuild {name}",))
        try:
            yield connection
        finally:
            g.let_go(connection)


class _Rebuild:
    def __init__(
        self,
        url: str,
        projections: Sequence[Projection],
        *,
        parallel: int,
        manner: Manner,
        progress: Progress,
    ) -> None:
        self._url = url
        self._projections = projections
        self._parallel = parallel
        self._manner = manner
        self._progress = progress
        self._pace = Pace()
        self._began = time.monotonic()

    def run(self, *, fresh: bool) -> list[Rebuilt]:
        with alone(self._url, [projection.name for projection in self._projections]) as connection:
            buildings = [self._begin(connection, projection, fresh=fresh) for projection in self._projections]
            self._fold(connection, buildings)
            # What is heavy has a connection that yields; the swap, which holds others up, has one that does not.
            with connect(self._url, application=crew.APPLICATION) as heavy:
                yielding(heavy)
                return [self._finish(connection, heavy, building) for building in buildings]

    def _begin(self, connection: Connection[Any], projection: Projection, *, fresh: bool) -> Building:
        begin(connection, projection)
        return g.begin_or_go_on(connection, projection, parallel=self._parallel, fresh=fresh)

    def _fold(self, connection: Connection[Any], buildings: list[Building]) -> None:
        def look() -> None:
            for building in buildings:
                self._say(connection, building, g.state_of(connection, building))

        look()
        if self._parallel > 1 and self._is_long(connection, buildings):
            crew.fold_by_processes(self._url, buildings, look, workers=self._parallel, manner=self._manner)
        else:
            crew.fold_here(self._url, buildings, look, manner=self._manner)

    def _is_long(self, connection: Connection[Any], buildings: list[Building]) -> bool:
        """Whether there is enough to do for processes to be worth their start."""
        return any(
            lag(g.lanes_of(connection, one), goals(connection, one)) > self._manner.short for one in buildings
        )

    def _finish(self, connection: Connection[Any], heavy: Connection[Any], building: Building) -> Rebuilt:
        failure = g.failure_of(connection, building)
        if failure is None:
            try:
                return self._go_live(connection, heavy, building)
            except FoldFailed as error:
                failure = str(error)
                g.fail(connection, building, failure)
        self._say(connection, building, "failed")
        return self._rebuilt(building, failure=failure)

    def _go_live(self, connection: Connection[Any], heavy: Connection[Any], building: Building) -> Rebuilt:
        self._say(connection, building, "indexing")
        layout.add_indexes(heavy, building.projection, suffix=building.suffix)
        swapping.chase(heavy, building)
        self._say(connection, building, "comparing")
        found = compare(self._url, heavy, building)
        if found.differences:
            log.warning(
                "the live table differed from the log", projection=building.name, rows=found.differences
            )
        swapping.chase(heavy, building, to_the_end=True)
        self._say(connection, building, "swapping")
        rows = swapping.swap(connection, building)
        events = min(g.positions(connection, building).values())
        self._progress(self._pace.report(building.name, "done", events, events))
        return self._rebuilt(building, events=events, rows=rows, found=found)

    def _rebuilt(
        self,
        building: Building,
        *,
        events: int = 0,
        rows: int = 0,
        found: Comparison | None = None,
        failure: str | None = None,
    ) -> Rebuilt:
        found = found or Comparison()
        return Rebuilt(
            projection=building.name,
            events=events,
            rows=rows,
            differences=found.differences,
            compared=found.compared,
            seconds=round(time.monotonic() - self._began, 3),
            columns=found.columns,
            examples=found.examples,
            left_out=found.left_out,
            failure=failure,
        )

    def _say(self, connection: Connection[Any], building: Building, phase: str) -> None:
        positions = g.positions(connection, building).values()
        position = sum(positions) // len(positions)
        end = max(goals(connection, building).values())
        phase = "folding" if phase == "building" else phase
        self._progress(self._pace.report(building.name, phase, position, max(end, position)))
