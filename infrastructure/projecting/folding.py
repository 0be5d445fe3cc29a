"""A slice of the log into a projection's table, in a transaction of the caller's.

    entries = entries_of(read_after(connection, position, limit=2000))
    chain = fold_into(connection, projection, entries)                 # raises FoldFailed: which event, why

The chain that comes back is made in the loop that folds, of the very events it went through.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from infrastructure.eventstore.log import COLUMNS, Recorded, last_row, read_after, rows_of
from infrastructure.eventstore.mapper import EventIsUnreadable
from infrastructure.projecting import tables
from infrastructure.projecting.chains import PARTITION_OF, Chain, digest_of
from infrastructure.projecting.standing import Lane, add_generation, hold, standings  # noqa: F401
from projections.projection import Fact, Projection, Rows

Parked = Mapping[UUID, int]
"""The first position that is not folded, by account."""

NOBODY: Parked = {}

_READ_SLICE = (
    f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %(after)s AND notification_id <= %(up_to)s"
    f" AND {PARTITION_OF} = %(partition)s ORDER BY notification_id LIMIT %(limit)s"
)


class Entry(Struct, frozen=True):
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
    connection: Connection[Any], lane: Lane, *, limit: int, up_to: int | None = None
) -> tuple[list[Recorded], int]:
    """What comes next in a lane, and the position up to which that is everything."""
    end = last_row(connection)[0] if up_to is None else up_to
    wanted = {"after": lane.position, "up_to": end, "partition": lane.partition, "limit": limit}
    if lane.partitions == 1 and up_to is None:
        rows = read_after(connection, lane.position, limit=limit)
    else:
        found = connection.execute(
            _READ_SLICE.encode(), {**wanted, "partitions": lane.partitions}, prepare=True
        )
        rows = rows_of(found)
    # The end was looked at before the rows: whatever is not after it was already committed.
    reached = rows[-1].log_position if len(rows) == limit else max(end, rows[-1].log_position if rows else 0)
    return rows, max(reached, lane.position)


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
    plan = _planned(projection, entries, parked)
    keys = list({_key(projection, entry, fact) for entry, fact in plan if fact is not None})
    rows = tables.load(connection, projection, keys, suffix=suffix)
    chain = chain.extended(_applied(projection, plan, rows))
    tables.store(connection, projection, rows, suffix=suffix)
    return chain


def fold_rows(
    projection: Projection, entries: Iterable[Entry], rows: Rows[Any], *, parked: Parked = NOBODY
) -> Chain:
    """The same in memory alone."""
    return Chain().extended(_applied(projection, _planned(projection, entries, parked), rows))


_Plan = list[tuple[Entry, Fact | None]]


def _planned(projection: Projection, entries: Iterable[Entry], parked: Parked) -> _Plan:
    """Each entry with what is to be applied of it: None for what is ignored or parked."""
    return [(entry, _wanted(projection, entry, parked)) for entry in entries]


def _wanted(projection: Projection, entry: Entry, parked: Parked) -> Fact | None:
    if parked and entry.log_position >= parked.get(entry.account_id, entry.log_position + 1):
        return None
    if entry.error is not None and projection.may_handle(entry.topic):
        raise FoldFailed(projection.name, entry, entry.error)
    fact = entry.fact
    return fact if fact is not None and projection.handles(fact.event) else None


def _applied(projection: Projection, plan: _Plan, rows: Rows[Any]) -> Iterable[int]:
    for entry, fact in plan:
        if fact is not None:
            try:
                projection.apply(fact, rows)
            except Exception as error:
                raise FoldFailed(projection.name, entry, error) from error
        yield entry.digest


def _key(projection: Projection, entry: Entry, fact: Fact) -> Any:
    try:
        return projection.key(fact.event, fact)
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
