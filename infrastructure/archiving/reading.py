"""Archived rows beside those of the log's table, in one order.

    rows = with_archived(connection, rows_of(connection.execute(…)), Wanted(account_id=…))

The table is read first and the list of archives afterwards: what was moved in between is then in both, and counts once.
A file that is missing, altered or destroyed is an error to every reader that needs it; nobody goes on without it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from msgspec import structs
from psycopg import Connection

from infrastructure.archiving.files import rows_in
from infrastructure.archiving.months import ArchivedMonth, Wanted, months_of
from infrastructure.eventstore.recorded import Recorded

__all__ = ["Wanted", "archived", "archived_async", "beside_archived", "with_archived", "with_archived_async"]

WINDOW = 50_000
"""So many log positions are looked through at once when only some rows of them are kept."""

Keep = Callable[[Recorded], bool]


def with_archived(
    connection: Connection[Any], hot: list[Recorded], wanted: Wanted, keep: Keep | None = None
) -> list[Recorded]:
    """The rows of the archives that are wanted, then those of the table that were read before this was called.

    `keep` says which rows count when the table's query asked for more than `wanted` can say. Raises ArchiveMustBeReadable.
    """
    return beside_archived(connection.execute(*wanted.question).fetchall(), hot, wanted, keep)


def beside_archived(
    months: Sequence[Sequence[Any]], hot: list[Recorded], wanted: Wanted, keep: Keep | None = None
) -> list[Recorded]:
    """The same when the rows of the list of archives were read already, after those of the table."""
    return _joined(months_of(months), hot, wanted, keep) if months else hot


async def with_archived_async(
    connection: psycopg.AsyncConnection[Any], hot: list[Recorded], wanted: Wanted
) -> list[Recorded]:
    """The same for an event loop; files are read in a thread."""
    months = months_of(await (await connection.execute(*wanted.question)).fetchall())
    return await asyncio.to_thread(_joined, months, hot, wanted, None) if months else hot


def archived(connection: Connection[Any], wanted: Wanted) -> list[Recorded]:
    """The archives' rows alone. Raises ArchiveMustBeReadable."""
    return with_archived(connection, [], wanted)


async def archived_async(connection: psycopg.AsyncConnection[Any], wanted: Wanted) -> list[Recorded]:
    """The same for an event loop."""
    return await with_archived_async(connection, [], wanted)


def _joined(
    months: Sequence[ArchivedMonth], hot: list[Recorded], wanted: Wanted, keep: Keep | None
) -> list[Recorded]:
    found: list[Recorded] = []
    for month in months:
        found += _of_month(month, _less(wanted, len(found)), keep)
        if wanted.limit is not None and len(found) >= wanted.limit:
            return found
    end = months[-1].last_position
    found += [row for row in hot if row.log_position > end]
    return found if wanted.limit is None else found[: wanted.limit]


def _less(wanted: Wanted, found: int) -> Wanted:
    return wanted if wanted.limit is None else structs.replace(wanted, limit=wanted.limit - found)


def _of_month(month: ArchivedMonth, wanted: Wanted, keep: Keep | None) -> list[Recorded]:
    if wanted.account_id is not None or wanted.stream_id is not None:
        return [row for row in rows_in(month, wanted) if keep is None or keep(row)]
    found: list[Recorded] = []
    for window in _windows(month, wanted, WINDOW if keep or wanted.topic else wanted.limit or WINDOW):
        found += [row for row in rows_in(month, window) if keep is None or keep(row)]
        if wanted.limit is not None and len(found) >= wanted.limit:
            return found[: wanted.limit]
    return found


def _windows(month: ArchivedMonth, wanted: Wanted, size: int) -> Iterator[Wanted]:
    """The same in pieces of the file, so that no more is read than is needed."""
    after = max(wanted.after, month.first_position - 1)
    end = month.last_position if wanted.up_to is None else min(wanted.up_to, month.last_position)
    while after < end:
        yield structs.replace(wanted, after=after, up_to=min(end, after + size), limit=None)
        after += size
