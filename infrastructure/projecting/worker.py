"""One partition's work: its slice of the log into every projection's table, batch by batch.

All projections that stand at the same place share one read of the log and one commit. A projection whose fold
fails is set aside and tried again, a little later each time, while the others go on; after `TRIES` the
account that the poison belongs to is parked, and the projection goes on without it. A projection whose
rows are not each of one account cannot park one: it stays set aside, and is tried for ever.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import structlog

from infrastructure.figures import FIGURES
from infrastructure.memory import collecting_later
from infrastructure.postgres.connections import connect
from infrastructure.postgres.together import Together
from infrastructure.projecting.briefly import fold_briefly
from infrastructure.projecting.dividing import divide
from infrastructure.projecting.folding import (
    NOBODY,
    Entry,
    Parked,
    Slice,
    begin,
    entries_of,
    read_next,
)
from infrastructure.projecting.parking import is_outage, park, parked_in, poison_of
from infrastructure.projecting.reached import PARKED, lane_key
from infrastructure.projecting.renewing import Rebuilds
from infrastructure.projecting.retries import TRIES, Retries
from infrastructure.projecting.standing import Lane, LanesMoved, fail, live_lanes, lock, save
from infrastructure.projecting.together import LARGE, Share, fold_large, fold_shares, shares_of
from projections.projection import Projection

log = structlog.get_logger()

LOOK_S = 1.0
IDLE_LIMIT_MS = 3_500
"""A worker that is stopped in the middle of a transaction loses it, and with it the locks of its lanes."""
FAR_BEHIND = 5
"""So many batches become one while there is that much to catch up with: fewer commits, and fewer rows written twice."""
READER_WAITS_MS = 2_000
"""For a lock, at most; the writing transaction waits for what is read."""


class Worker:
    """Works on one partition of so many. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        projections: Mapping[str, Projection],
        *,
        partition: int = 0,
        partitions: int = 1,
        batch: int,
    ) -> None:
        self._url = url
        self._projections = projections
        self._partition = partition
        self._partitions = partitions
        self._batch = batch
        self._connection: psycopg.Connection[Any] | None = None
        self._wire: Together
        self._reader: psycopg.Connection[Any] | None = None
        self._reading_wire: Together
        self._ahead: tuple[tuple[int, int, int], Slice, int] | None = None
        self._lanes: dict[str, Lane] = {}
        self._retries = Retries()
        self._parked: dict[str, Parked] = {}
        self._looked = 0.0
        self._rebuilds = Rebuilds(url)

    def start(self) -> None:
        """Connect, and make what is not there yet."""
        self.close()
        self._connection = connect(
            self._url, application="daybook projector", idle_limit_ms=IDLE_LIMIT_MS, by_key=True
        )
        self._wire = _together(self._connection)
        for projection in self._projections.values():
            begin(self._connection, projection, partitions=self._partitions)
        self._look()
        self._keep_divided()

    def close(self) -> None:
        """Let go of the connections."""
        for connection in (self._connection, self._reader):
            if connection is not None:
                connection.close()
        self._connection = self._reader = self._ahead = None

    @property
    def positions(self) -> dict[str, int]:
        """How far each projection has come in this partition, and how many accounts it has parked, by lane key."""
        told = {lane_key(lane): lane.position for lane in self._lanes.values()}
        parked = {
            lane_key(lane) + PARKED: len(self._parked.get(lane.name, NOBODY)) for lane in self._lanes.values()
        }
        return told | {key: number for key, number in parked.items() if number}

    def step(self) -> bool:
        """Fold one batch of each group of lanes. False when there was nothing to do."""
        if time.monotonic() - self._looked > LOOK_S:
            self._keep_divided()
        ready = [
            name
            for name in list(self._lanes)
            if self._retries.is_due(name) and self._is_of_this_version(name)
        ]
        due = [self._lanes[name] for name in ready]
        worked = False
        for partitions in {lane.partitions for lane in due}:
            worked |= self._batch_of([lane for lane in due if lane.partitions == partitions])
        return worked

    def _keep_divided(self) -> None:
        """Divide what is not divided as wanted, such as a table that was rebuilt with more processes."""
        self._looked = time.monotonic()
        for name, projection in self._projections.items():
            wanted = self._partitions if projection.is_by_account() else 1
            lane = self._lanes.get(name)
            if self._partition >= wanted if lane is None else lane.partitions == wanted:
                continue
            try:
                divide(self._open, projection, self._partitions)
            except Exception as error:
                if is_outage(error):
                    raise
                log.exception("a projection could not be divided", projection=name)
            self._look(name)

    def _batch_of(self, due: Sequence[Lane]) -> bool:
        slowest = min(due, key=lambda lane: lane.position)
        entries, reached = self._next_entries(slowest)
        if reached <= slowest.position:
            return False
        due = [lane for lane in due if lane.position < reached]
        with collecting_later():
            if not self._together(due, entries, reached):
                for lane in due:
                    self._alone(lane, entries, reached)
        return True

    def _next_entries(self, lane: Lane) -> tuple[Slice, int]:
        """What comes next in a lane, looked up ahead or now, and the position up to which that is everything."""
        place = (lane.position, lane.partition, lane.partitions)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == place and ahead[1]:
            return ahead[1:]
        return self._read(self._wire, lane, self._batch)

    def _read(self, wire: Together, lane: Lane, limit: int) -> tuple[Slice, int]:
        rows, reached = read_next(wire, lane, limit=limit)
        return Slice(entries_of(rows)), reached

    def _look_ahead(self, reader: Together, lane: Lane) -> None:
        """Read on while the last batch is being written: the log stays as it is."""
        place = (lane.position, lane.partition, lane.partitions)
        self._ahead = (place, *self._read(reader, lane, self._batch * FAR_BEHIND))

    def _together(self, due: Sequence[Lane], entries: Slice, reached: int) -> bool:
        """Fold the batch into all projections in one transaction. False when one of them failed."""
        try:
            self._fold(due, entries, reached)
        except Exception as error:
            if is_outage(error):
                raise
            if len(due) > 1:
                log.info("a batch failed, folding one projection at a time", error=repr(error))
            return False
        return True

    def _alone(self, lane: Lane, entries: Slice, reached: int) -> None:
        try:
            self._fold([lane], entries, reached)
        except LanesMoved:
            self._look(lane.name)
        except Exception as error:
            if is_outage(error):
                raise
            self._failed(lane, entries, reached, error)

    def _fold(self, lanes: Sequence[Lane], entries: Slice, reached: int) -> None:
        if len(entries) >= LARGE or not self._fold_briefly(lanes, entries, reached):
            self._fold_at_length(lanes, entries, reached)

    def _fold_briefly(self, lanes: Sequence[Lane], entries: Slice, reached: int) -> bool:
        """Whether it could be done on the assumption that nothing else is parked than was."""
        parked = {lane.name: known for lane in lanes if (known := self._parked.get(lane.name))}
        try:
            folded = fold_briefly(
                self._open, self._wire, self._projections, lanes, entries, reached=reached, parked=parked
            )
        except Exception as error:
            if is_outage(error) or isinstance(error, LanesMoved):
                raise
            return False  # the long way locks before it reads, and tells what it was
        if folded is not None:
            self._note(*folded, parked)
        return folded is not None

    def _fold_at_length(self, lanes: Sequence[Lane], entries: Slice, reached: int) -> None:
        connection = self._open
        with connection.transaction():
            # Lanes are locked before tables, as everybody does it: so nobody waits in a circle, and
            # whoever was overtaken learns it before a row is written.
            now = lock(connection, lanes)
            parked = parked_in(connection, now)
            shares = shares_of(self._projections, now, entries, parked)
            moved = [share.moved(reached) for share in shares]
            if len(entries) < LARGE:
                fold_shares(self._wire, shares)
            else:
                self._fold_large(shares, moved)
            save(connection, moved)
        self._note(now, moved, parked)

    def _note(self, now: Sequence[Lane], moved: Sequence[Lane], parked: Mapping[str, Parked]) -> None:
        for lane, before in zip(moved, now, strict=True):
            FIGURES.add("projector_events", lane.chain.events - before.chain.events, of=lane.name)
            self._lanes[lane.name] = lane
            self._parked[lane.name] = parked.get(lane.name, NOBODY)
            self._retries.forget(lane.name)

    def _fold_large(self, shares: Sequence[Share], moved: Sequence[Lane]) -> None:
        reader, after = self._reading, min(moved, key=lambda lane: lane.position)
        fold_large(self._open, reader, shares, meanwhile=lambda: self._look_ahead(reader, after))

    def _failed(self, lane: Lane, entries: Slice, reached: int, error: Exception) -> None:
        tries = self._set_aside(self._open, lane, error)
        if tries <= TRIES or not self._projections[lane.name].is_by_account():
            return
        try:
            self._park_and_fold(lane, entries, reached, error)
        except LanesMoved:
            self._look(lane.name)

    def _park_and_fold(self, lane: Lane, entries: Slice, reached: int, error: Exception) -> None:
        while self._park(lane, entries, error):
            try:
                self._fold([lane], entries, reached)
            except LanesMoved:
                raise
            except Exception as another:
                if is_outage(another):
                    raise
                error = another
                continue
            return

    def _park(self, lane: Lane, entries: Sequence[Entry], error: Exception) -> bool:
        """Park the account whose event fails. False when none can be found."""
        with self._open.transaction():
            (now,) = lock(self._open, [lane])
            parked = parked_in(self._open, [now]).get(lane.name, {})
            new = [entry for entry in entries if entry.log_position > lane.position]
            found = poison_of(self._open, self._projections[lane.name], new, error, parked)
            if found is not None:
                park(self._open, now, *found)
        return found is not None

    def _set_aside(self, connection: psycopg.Connection[Any], lane: Lane, error: Exception) -> int:
        retry = self._retries.failed(lane.name, lane.position)
        FIGURES.add("projector_failures", of=lane.name)
        trace = error if retry.tries == 1 else None
        said = {
            "projection": lane.name,
            "tries": retry.tries,
            "retry_in_s": retry.delay,
            "error": repr(error),
        }
        log.warning("a projection failed", **said, exc_info=trace)
        fail(connection, lane, error)
        return retry.tries

    def _is_of_this_version(self, name: str) -> bool:
        """Whether the table was made by the code as it is; if not, it is being rebuilt beside everything else."""
        lane, projection = self._lanes[name], self._projections[name]
        if lane.version == projection.version:
            return True
        if self._rebuilds.has_ended(name):
            self._look(name)
            lane = self._lanes.get(name, lane)
        if lane.version != projection.version and lane.partition == 0:
            self._rebuilds.begin(projection, lambda error: self._not_rebuilt(lane, error))
        return lane.version == projection.version

    def _not_rebuilt(self, lane: Lane, error: Exception) -> None:
        with suppress(psycopg.Error), connect(self._url, application="daybook projector") as connection:
            self._set_aside(connection, lane, error)

    def wait_for_rebuilds(self) -> bool:
        """Wait until the rebuilds that were begun here have ended. Whether there were any."""
        return self._rebuilds.wait()

    def wait_for_retries(self) -> bool:
        """Wait until a projection that may still park its poison is due. Whether there is one."""
        return self._retries.wait([name for name, one in self._projections.items() if one.is_by_account()])

    def _look(self, name: str | None = None) -> None:
        """Read where our lanes stand."""
        found = live_lanes(self._open, name, partition=self._partition)
        for gone in [name] if name else list(self._lanes):
            self._lanes.pop(gone, None)
        self._lanes.update({lane.name: lane for lane in found if lane.name in self._projections})

    @property
    def _reading(self) -> Together:
        """What reads while the other connection writes; made when first needed."""
        if self._reader is None:
            self._reader = connect(self._url, application="daybook projector reader")
            self._reader.execute(f"SET lock_timeout = {READER_WAITS_MS}".encode())
            self._reading_wire = _together(self._reader)
        return self._reading_wire

    @property
    def _open(self) -> psycopg.Connection[Any]:
        assert self._connection is not None, "a worker is started before it steps"  # noqa: S101
        return self._connection


def _together(connection: psycopg.Connection[Any]) -> Together:
    # Whatever psycopg prepares it deallocates after a ROLLBACK or DROP, and everything else that was prepared as well.
    connection.prepare_threshold = None
    return Together(connection)
