"""A slice of the log into a projection's table, in a transaction of the caller's.

    entries = entries_of(read_after(connection, position, limit=2000))
    chain = fold_into(connection, projection, entries)                 # raises FoldFailed: which event, why

The chain that comes back is made of the very list that is folded. Projections that stand at the same place
share one `Slice`, so that a batch's chain is worked out once for all of them and joined to each one's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from infrastructure.archiving.months import MONTHS_AFTER
from infrastructure.archiving.reading import Wanted, beside_archived, with_archived
from infrastructure.eventstore.log import COLUMNS, LAST, READ_AFTER, Recorded, rows_of
from infrastructure.eventstore.mapper import EventIsUnreadable
from infrastructure.postgres import arrays
from infrastructure.postgres.together import Statement, Together
from infrastructure.projecting import tables
from infrastructure.projecting.chains import PARTITION_OF, Chain, digest_of, partition_of
from infrastructure.projecting.standing import Lane, add_generation, hold, standings  # noqa: F401
from projections.projection import Fact, Key, Projection, Rows

Parked = Mapping[UUID, int]
"""The first position that is not folded, by account."""

NOBODY: Parked = {}

_NEXT = READ_AFTER.replace("%s", "%b")
_NEXT_OF_PARTITION = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %b"
    " AND mod(get_byte(uuid_send(account_id), 15), %b) = %b ORDER BY notification_id LIMIT %b"
)
_READ_SLICE = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %(after)s AND notification_id <= %(up_to)s"
    f" AND {PARTITION_OF} = %(partition)s ORDER BY notification_id LIMIT %(limit)s"
)


class Entry(Struct, frozen=True, gc=False):
    """A row of the log on its way into tables. `fact` is None when the event does not read; `error` says why."""

    log_position: int
    account_id: UUID
    topic: str
    digest: int
    fact: Fact | None
    error: EventIsUnreadable | None = None


class FoldFailed(Exception):
    """An event that a projection cannot fold."""

    def __init__(self, projection: str, entry: Entry, cause: BaseException) -> None:
        super().__init__(f"{projection} cannot fold {entry.topic} at {entry.log_position}: {cause!r}")
        self.projection = projection
        self.entry = entry
        self.cause = cause

    def __repr__(self) -> str:
        return str(self)  # it is shown to operators


def facts_of(rows: Sequence[Recorded]) -> list[Fact]:
    """The rows decoded. Raises EventIsUnreadable."""
    return [Fact(row.log_position, row.topic, row.event(), row.metadata) for row in rows]


def entries_of(rows: Iterable[Recorded]) -> list[Entry]:
    """The rows decoded, those that do not read among them."""
    return [_entry(row) for row in rows]


def _entry(row: Recorded) -> Entry:
    digest = digest_of(row)
    try:
        fact = Fact(row.log_position, row.topic, row.event(), row.metadata)
    except EventIsUnreadable as error:
        return Entry(row.log_position, row.account_id, row.topic, digest, None, error)
    return Entry(row.log_position, row.account_id, row.topic, digest, fact)


def read_lane(
    connection: Connection[Any], lane: Lane, *, limit: int, up_to: int
) -> tuple[list[Recorded], int]:
    """What comes next in a lane up to a position, and the position up to which that is everything."""
    wanted = {"after": lane.position, "up_to": up_to, "partition": lane.partition, "limit": limit}
    # In binary: ids and moments are read in a third of the time.
    found = connection.execute(
        _READ_SLICE.encode(), {**wanted, "partitions": lane.partitions}, prepare=True, binary=True
    )
    same = Wanted(after=lane.position, up_to=up_to, limit=limit)
    rows = with_archived(connection, rows_of(found), same, _keeping(lane))
    return rows, rows[-1].log_position if len(rows) == limit else max(up_to, lane.position)


def read_next(wire: Together, lane: Lane, *, limit: int) -> tuple[list[Recorded], int]:
    """The same up to the log's end, in one round trip."""
    after = arrays.int8(lane.position)
    asked = wire.run((LAST, ()), _asking(lane, limit), (MONTHS_AFTER, (after,)))
    last, found, months = (wire.rows(each) for each in asked)
    end = last[0][0] if last else 0
    wanted = Wanted(after=lane.position, limit=limit)
    rows = beside_archived(months, [Recorded(*row) for row in found], wanted, _keeping(lane))
    # The end was looked at before the rows: whatever is not after it was already committed.
    reached = rows[-1].log_position if len(rows) == limit else max(end, rows[-1].log_position if rows else 0)
    return rows, max(reached, lane.position)


def _asking(lane: Lane, limit: int) -> Statement:
    after, most = arrays.int8(lane.position), arrays.int8(limit)
    if lane.partitions == 1:
        return _NEXT, (after, most)
    return _NEXT_OF_PARTITION, (after, arrays.int8(lane.partitions), arrays.int8(lane.partition), most)


def _keeping(lane: Lane) -> Callable[[Recorded], bool] | None:
    if lane.partitions == 1:
        return None
    return lambda row: partition_of(row.account_id, lane.partitions) == lane.partition


class Slice(list[Entry]):
    """Entries on their way into several tables, with what is worked out of them once for all."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        super().__init__(entries)
        self.chain = Chain().extended(entry.digest for entry in self)
        self.readable = [(type(entry.fact.event), entry) for entry in self if entry.fact is not None]
        self.unreadable = [entry for entry in self if entry.fact is None]

    def after(self, log_position: int) -> "Slice":
        """What comes after a position; itself when that is everything."""
        if not self or self[0].log_position > log_position:
            return self
        return Slice(entry for entry in self if entry.log_position > log_position)


def fold_into(
    connection: Connection[Any],
    projection: Projection,
    entries: Sequence[Entry],
    *,
    suffix: str = tables.LIVE,
    parked: Parked = NOBODY,
    chain: Chain = Chain(),  # noqa: B008  frozen
) -> Chain:
    """Fold entries into the projection's rows and write what changed. Raises FoldFailed, or what PostgreSQL says.

    Returns the chain with every entry after it: also those that are ignored or parked are accounted for.
    """
    some = entries if isinstance(entries, Slice) else Slice(entries)
    plan = planned(projection, some, parked)
    keys = keys_of(projection, plan)
    rows = tables.load(connection, projection, keys, suffix=suffix)
    apply_plan(projection, plan, rows)
    tables.store(connection, projection, rows, suffix=suffix)
    return chain.joined(some.chain)


def fold_rows(
    projection: Projection, entries: Iterable[Entry], rows: Rows[Any], *, parked: Parked = NOBODY
) -> Chain:
    """The same in memory alone."""
    some = Slice(entries)
    apply_plan(projection, planned(projection, some, parked), rows)
    return some.chain


Plan = list[Entry]
"""What is to be applied, in order; each of them reads."""


def planned(projection: Projection, entries: Slice, parked: Parked) -> Plan:
    """What is to be applied of these entries: not what is ignored or parked. Raises FoldFailed."""
    for entry in entries.unreadable:
        if entry.error is not None and projection.may_handle(entry.topic) and not _is_parked(entry, parked):
            raise FoldFailed(projection.name, entry, entry.error)
    handlers = projection.handlers
    plan = [entry for kind, entry in entries.readable if kind in handlers]
    return [entry for entry in plan if not _is_parked(entry, parked)] if parked else plan


def _is_parked(entry: Entry, parked: Parked) -> bool:
    return entry.log_position >= parked.get(entry.account_id, entry.log_position + 1)


def keys_of(projection: Projection, plan: Plan) -> list[Key]:
    """The keys of the rows that a plan is about, each once. Raises FoldFailed."""
    if projection.only_adds:
        return []
    key = projection.key
    found: dict[Key, None] = {}
    for entry in plan:
        fact: Any = entry.fact
        try:
            found[key(fact.event, fact)] = None
        except Exception as error:
            raise FoldFailed(projection.name, entry, error) from error
    return list(found)


def apply_plan(projection: Projection, plan: Plan, rows: Rows[Any]) -> None:
    """Fold what is planned into the rows. Raises FoldFailed."""
    apply = projection.apply
    for entry in plan:
        fact: Any = entry.fact
        try:
            apply(fact, rows)
        except Exception as error:
            raise FoldFailed(projection.name, entry, error) from error


def begin(connection: Connection[Any], projection: Projection, *, partitions: int = 1) -> None:
    """Make the projection's table and its standing at the log's beginning, unless both are there.

    One without the other tells nothing about what has been folded, so both are made anew. A table of
    another version is left as it is: a rebuild replaces it.
    """
    with connection.transaction():
        held = hold(connection, projection.name)
        if held and tables.exists(connection, projection):
            return
        tables.drop(connection, projection)
        tables.create(connection, projection)
        connection.execute(
            "DELETE FROM projection_generations WHERE name = %s AND state = 'live'", (projection.name,)
        )
        share = partitions if projection.is_by_account() else 1
        add_generation(connection, projection, partitions=share)
