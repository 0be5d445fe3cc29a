"""One batch into several projections' tables, in one transaction of the caller's, with few round trips.

A small batch is read by one pipeline and written by another, so that an order is soon seen. In a large one the
writing is half of the work, and PostgreSQL's: it goes on in a thread, table by table, while the next tables
are folded here. What the fold needs of the tables is then read before by a connection of its own; as
nobody writes into a table whose lane is locked, it finds what the transaction itself would find.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from msgspec import Struct
from psycopg import Connection

from infrastructure.postgres import together
from infrastructure.postgres.together import Together
from infrastructure.projecting.folding import NOBODY, Parked, Plan, Slice, apply_plan, keys_of, planned
from infrastructure.projecting.standing import Lane
from infrastructure.projecting.tables import Statement, by_key, looking, rows_under, write, writing
from projections.projection import Key, Projection, Rows

LARGE = 1_000
"""From so many events on the tables are written in a thread."""


class Share(Struct):
    """What one projection gets of a batch: its plan, and the keys of the rows that are needed for it."""

    lane: Lane
    projection: Projection
    entries: Slice
    plan: Plan
    keys: list[Key]

    @property
    def needs_rows(self) -> bool:
        """Whether there may be rows that the fold builds on."""
        return bool(self.keys)

    def moved(self, reached: int) -> Lane:
        """The lane once the share is folded."""
        return self.lane.moved(reached, self.lane.chain.joined(self.entries.chain))


def shares_of(
    projections: Mapping[str, Projection], lanes: Sequence[Lane], entries: Slice, parked: Mapping[str, Parked]
) -> list[Share]:
    """Each lane's share. Raises FoldFailed for an event that does not read or has no key."""
    found = []
    for lane in lanes:
        projection, new = projections[lane.name], entries.after(lane.position)
        plan = planned(projection, new, parked.get(lane.name, NOBODY))
        found.append(Share(lane, projection, new, plan, keys_of(projection, plan)))
    return found


def fold_shares(connection: Together, shares: Sequence[Share]) -> None:
    """Fold a small batch: one round trip to read, one to write. Raises FoldFailed, or what PostgreSQL says."""
    connection.run(*apply_all(shares, load_all(connection, shares)))


def apply_all(shares: Sequence[Share], loaded: Sequence[Rows[Any]]) -> list[together.Statement]:
    """Fold each share into its rows. What writes the changes, without COPY. Raises FoldFailed."""
    statements: list[Statement] = []
    for share, rows in zip(shares, loaded, strict=True):
        apply_plan(share.projection, share.plan, rows)
        statements += writing(share.projection, rows, may_copy=False)
    return [(statement.sql, statement.parameters) for statement in statements]


def fold_large(
    connection: Connection[Any],
    reader: Together,
    shares: Sequence[Share],
    *,
    meanwhile: Callable[[], object],
) -> None:
    """Fold a large batch; `meanwhile` is called once everything is folded and being written."""
    loaded = load_all(reader, shares)
    with Scribe(connection) as scribe:
        for share, rows in zip(shares, loaded, strict=True):
            apply_plan(share.projection, share.plan, rows)
            scribe.write(writing(share.projection, rows))
        meanwhile()


def load_all(connection: Together, shares: Sequence[Share]) -> list[Rows[Any]]:
    """The rows that each share is about."""
    return rows_of_all(connection, shares, connection.run(*asking(shares)))


def asking(shares: Sequence[Share]) -> list[together.Statement]:
    """What finds the rows that the shares are about; nothing for a share that needs none."""
    questions = [looking(share.projection, share.keys) for share in shares if share.needs_rows]
    return [(question.sql, question.parameters) for question in questions if question is not None]


def rows_of_all(connection: Together, shares: Sequence[Share], answers: Sequence[Any]) -> list[Rows[Any]]:
    """What was found of each share, given the answers to what `asking` asked."""
    rest = iter(answers)
    found = [connection.rows(next(rest)) if share.needs_rows else () for share in shares]
    return [
        rows_under(share.keys, by_key(share.projection, rows))
        for share, rows in zip(shares, found, strict=True)
    ]


class Scribe:
    """Writes through a connection in a thread of its own, in the order given. At the end everything is written,
    or the first error is raised; until then the connection is not to be used otherwise.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scribe")
        self._given: list[Future[None]] = []

    def __enter__(self) -> "Scribe":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for each in self._given:
                each.result()

    def write(self, statements: Iterable[Statement]) -> None:
        """Have these written after what was given before."""
        self._given += [self._thread.submit(write, self._connection, statement) for statement in statements]
