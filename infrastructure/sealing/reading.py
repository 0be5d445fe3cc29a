"""Where canonical bytes come from: the log in PostgreSQL, or whatever else has its events in order."""

from collections.abc import Iterator
from typing import Any, Protocol

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.pq import ExecStatus

from infrastructure.archiving.files import require_unaltered
from infrastructure.archiving.months import Wanted, months_of
from infrastructure.postgres.connections import connect
from infrastructure.sealing.canonical import COLUMNS

CHUNK = 4096
BEFORE_ALL = -(2**63)
"""Before the first position there can be, so that nothing hides in front of the log."""

_HEADER = b"PGCOPY\n\xff\r\n\0"
_HEADER_LENGTH = 19
_END = b"\xff\xff"


class EventSource(Protocol):
    """Has events as canonical bytes. It is handed to other processes, so it can be pickled."""

    def rows(self, after: int, up_to: int) -> Iterator[list[bytes]]:
        """The events after a log position and up to another, inclusive, in order, in chunks."""
        ...


class LogSource(Struct, frozen=True):
    """The log: its archived months, then its table in PostgreSQL."""

    url: str

    def rows(self, after: int, up_to: int) -> Iterator[list[bytes]]:
        """The events after a log position and up to another, inclusive, in order, in chunks."""
        with connect(self.url, application="daybook verify") as connection:
            yield from read_whole(connection, after, up_to)


def read_whole(connection: Connection[Any], after: int, up_to: int) -> Iterator[list[bytes]]:
    """The canonical bytes of the log's events after a position and up to another, archived ones first, in chunks.

    All of one moment, so that nothing is missed that moves meanwhile; not to be called in a transaction. Raises
    ArchiveMustBeReadable.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    try:
        wanted = Wanted(after=after, up_to=up_to)
        for month in months_of(connection.execute(*wanted.question).fetchall()):
            from infrastructure.archiving.parquet import (
                canonical_rows,  # Arrow, only where there is an archive
            )

            require_unaltered(month)
            yield from canonical_rows(month.path, after, up_to)
        yield from read_rows(connection, after, up_to=up_to)
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def read_rows(
    connection: Connection[Any], after: int, *, up_to: int | None = None, limit: int | None = None
) -> Iterator[list[bytes]]:
    """The canonical bytes of the log's events after a position, in chunks, by one COPY.

    A reader that stops half-way closes the connection: the rest of the answer is still on its way.
    """
    pgconn, is_whole = connection.pgconn, False
    try:
        begun = pgconn.exec_(_copy(after, up_to, limit))
        if begun.status != ExecStatus.COPY_OUT:
            raise psycopg.errors.OperationalError(begun.get_error_message())
        chunk: list[bytes] = []
        while (data := pgconn.get_copy_data(0))[0] > 0:
            row = bytes(data[1])
            if row.startswith(_HEADER):
                row = row[_HEADER_LENGTH:]
            if row and row != _END:
                chunk.append(row)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        _require_end(connection)
        is_whole = True
        if chunk:
            yield chunk
    finally:
        if not is_whole:
            connection.close()


def _copy(after: int, up_to: int | None, limit: int | None) -> bytes:
    """COPY takes no parameters; these are whole numbers."""
    end = "" if up_to is None else f" AND notification_id <= {up_to:d}"
    most = "" if limit is None else f" LIMIT {limit:d}"
    query = f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > {after:d}{end}"
    return f"COPY ({query} ORDER BY notification_id{most}) TO STDOUT (FORMAT BINARY)".encode()


def _require_end(connection: Connection[Any]) -> None:
    pgconn = connection.pgconn
    ended = pgconn.get_result()
    while pgconn.get_result() is not None:
        pass
    if ended is None or ended.status != ExecStatus.COMMAND_OK:
        sentence = "the connection broke" if ended is None else ended.get_error_message()
        raise psycopg.errors.OperationalError(sentence)
