"""A worker's share: its lanes of every table that is being built, folded from one read of the log."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from infrastructure.projecting.chains import partition_of
from infrastructure.projecting.folding import Entry, FoldFailed, Plan, Slice, entries_of, planned
from infrastructure.projecting.parking import PARK
from infrastructure.projecting.rebuild import generations as g
from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.rebuild.manner import CHUNK
from infrastructure.projecting.rebuild.memory import Memory
from infrastructure.projecting.rebuild.reading import ALL_BYTES, read_between
from infrastructure.projecting.standing import Lane, said, save
from infrastructure.projecting.together import Scribe
from projections.projection import Rows

Goals = Mapping[tuple[str, int], int]
"""How far to fold each lane, by name and partition."""

_EVERY_BYTE = len(ALL_BYTES)


class Move(Struct, frozen=True):
    """A lane, and how far it goes in this chunk."""

    lane: Lane
    up_to: int


class Work(Struct):
    """What one table gets of a chunk: what is folded into which rows, and where its lanes are afterwards."""

    memory: Memory
    plan: Plan
    rows: Rows[Any]
    moved: list[Lane]


class Chunk:
    """A stretch of the log, decoded once, by partition for whoever asks."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._parts: dict[int, list[list[Entry]]] = {1: [list(entries)]}
        self._slices: dict[tuple[int, int, int, int], Slice] = {}

    def of(self, move: Move) -> Slice:
        """What is a lane's, from where it stands to where it goes. Most lanes stand at the same place and share it."""
        lane = move.lane
        place = (lane.partitions, lane.partition, lane.position, move.up_to)
        if place not in self._slices:
            entries = self._divided(lane.partitions)[lane.partition]
            self._slices[place] = Slice(
                entry for entry in entries if lane.position < entry.log_position <= move.up_to
            )
        return self._slices[place]

    def _divided(self, partitions: int) -> list[list[Entry]]:
        if partitions not in self._parts:
            parts: list[list[Entry]] = [[] for _ in range(partitions)]
            for entry in self._entries:
                parts[partition_of(entry.account_id, partitions)].append(entry)
            self._parts[partitions] = parts
        return self._parts[partitions]


class Share:
    """The lanes of one worker of several. All buildings must be ours to write: see `generations.state_of`."""

    def __init__(
        self,
        connection: Connection[Any],
        buildings: Sequence[Building],
        *,
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self._connection = connection
        self._worker, self._workers = worker, workers
        self.chunk = CHUNK
        self.buildings = {building.name: building for building in buildings}
        self._memories: dict[str, Memory] = {}
        self._parked: dict[str, dict[UUID, int]] = {}
        for building in buildings:
            self._start(building)

    def step(self, goals: Goals, *, names: Sequence[str] | None = None) -> bool:
        """Fold one chunk of the lanes that are behind their goals. False when none is.

        Raises FoldFailed after the chunk was taken back, unless the account could be put aside.
        """
        moves = self._due(goals, names)
        if not moves:
            return False
        after = min(move.lane.position for move in moves)
        up_to = min(after + self.chunk * self._workers, max(move.up_to for move in moves))
        moves = [Move(m.lane, min(m.up_to, up_to)) for m in moves if m.lane.position < up_to]
        rows = read_between(self._connection, after, up_to, last_bytes=self._last_bytes(moves))
        chunk = Chunk(entries_of(rows))
        try:
            with self._connection.transaction():
                self._fold_all(chunk, moves)
        except FoldFailed as failure:
            self._put_aside(failure)
        except BaseException:
            self._start_again()
            raise
        return True

    def _due(self, goals: Goals, names: Sequence[str] | None) -> list[Move]:
        found = []
        for building in self.buildings.values():
            if names is None or building.name in names:
                found += [Move(lane, goals[lane.name, lane.partition]) for lane in self.lanes(building)]
        return [move for move in found if move.lane.position < move.up_to]

    def lanes(self, building: Building) -> list[Lane]:
        """Our lanes of a building, as they stand."""
        lanes = g.lanes_of(self._connection, building)
        return [lane for lane in lanes if lane.partition % self._workers == self._worker]

    def _fold_all(self, chunk: Chunk, moves: Sequence[Move]) -> None:
        """Tables are written in a thread while the next are folded: writing is half of the work, and PostgreSQL's."""
        works = [
            self._work(building, chunk, ours)
            for building in self.buildings.values()
            if (ours := [move for move in moves if move.lane.name == building.name])
        ]
        with Scribe(self._connection) as scribe:
            for work in works:
                scribe.write(work.memory.fold(work.plan, work.rows))
        save(self._connection, [lane for work in works for lane in work.moved])

    def _work(self, building: Building, chunk: Chunk, moves: Sequence[Move]) -> Work:
        g.state_of(self._connection, building, lock="FOR SHARE")
        memory, parked = self._memories[building.name], self._parked[building.name]
        plan: Plan = []
        moved = []
        for move in moves:
            entries = chunk.of(move)
            moved.append(move.lane.moved(move.up_to, move.lane.chain.joined(entries.chain)))
            plan += planned(building.projection, entries, parked)
        return Work(memory, plan, memory.load(self._connection, plan), moved)

    def _last_bytes(self, moves: Sequence[Move]) -> list[int]:
        lanes = {(move.lane.partitions, move.lane.partition) for move in moves}
        counts = {partitions for partitions, _ in lanes}
        return [byte for byte in ALL_BYTES if any((count, byte % count) in lanes for count in counts)]

    def _put_aside(self, failure: FoldFailed) -> None:
        """Park an account that the live table has parked, too; any other is a reason to stop."""
        self._start_again()
        building, entry = self._failed(failure), failure.entry
        if entry.account_id not in _parked_live(self._connection, building.name):
            raise failure
        self._connection.execute(
            PARK,
            (
                building.name,
                building.generation,
                entry.account_id,
                entry.log_position,
                entry.topic,
                said(failure.cause),
            ),
        )
        self._start(building)

    def _failed(self, failure: FoldFailed) -> Building:
        return self.buildings[failure.projection]

    def _start(self, building: Building) -> None:
        """Know nothing of the table but what is in the database."""
        is_new = all(not lane.position for lane in self.lanes(building))
        self._memories[building.name] = Memory(building, is_whole=is_new)
        self._parked[building.name] = g.parked_of(self._connection, building.name, building.generation)

    def _start_again(self) -> None:
        for building in self.buildings.values():
            self._start(building)


def _parked_live(connection: Connection[Any], name: str) -> set[UUID]:
    found = connection.execute(
        "SELECT account_id FROM projection_parked JOIN projection_generations USING (name, generation)"
        " WHERE name = %s AND state = 'live'",
        (name,),
    )
    return {row[0] for row in found.fetchall()}
