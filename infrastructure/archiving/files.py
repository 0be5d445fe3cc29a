"""Files of archived events: Parquet, compressed by zstd, with the columns of the log's table.

They are called by what is in them, so that a file can be told from any other by its name, and a second try writes the same one:

    events-2026-01-1-48210-9f86d081884c7d65.parquet      month, first and last log position, SHA-256 (its beginning)

Rows are read by DuckDB, which is imported by whoever meets an archive and by nobody else; canonical bytes, to be hashed, are
read by Arrow (`parquet.py`).
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from application.errors import ArchiveMustBeReadable
from infrastructure.archiving.months import ArchivedMonth, Wanted
from infrastructure.eventstore.recorded import Recorded

if TYPE_CHECKING:
    import duckdb

_SELECT = (
    "SELECT notification_id, originator_id, originator_version, topic, state, account_id, epoch_us(recorded_at),"
    " metadata FROM read_parquet(?) WHERE notification_id > ?"
)
_STREAMS = (
    "SELECT originator_id, min(account_id), min(originator_version), max(originator_version),"
    " arg_max(topic, originator_version), epoch_us(max(recorded_at)) FROM read_parquet(?)"
    " GROUP BY originator_id ORDER BY originator_id"
)
_SPAN = (
    "SELECT count(*), min(notification_id), max(notification_id), epoch_us(min(recorded_at)), epoch_us(max(recorded_at))"
    " FROM read_parquet(?)"
)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def rows_in(month: ArchivedMonth, wanted: Wanted) -> list[Recorded]:
    """The rows of a file that are wanted, in order. Raises ArchiveMustBeReadable."""
    import duckdb

    require_unaltered(month)
    sql, parameters = _sql(month, wanted)
    try:
        with _database().cursor() as cursor:
            found = cursor.execute(sql, parameters).fetchall()
    except duckdb.Error as error:
        raise _unreadable(month, error) from error
    return [
        Recorded(place, stream, version, topic, state, account, _UNIX + moment * _MICROSECOND, said.encode())
        for place, stream, version, topic, state, account, moment, said in found
    ]


def streams_of(month: ArchivedMonth, at_once: int) -> Iterator[tuple[Any, ...]]:
    """Each stream in a file, by its id: account, first and last version, last topic, and its last moment in microseconds.

    Raises ArchiveMustBeReadable.
    """
    import duckdb

    require_unaltered(month)
    try:
        with _database().cursor() as cursor:
            cursor.execute(_STREAMS, [[str(month.path)]])
            while found := cursor.fetchmany(at_once):
                yield from found
    except duckdb.Error as error:
        raise _unreadable(month, error) from error


def span_of(month: ArchivedMonth) -> tuple[Any, ...]:
    """How many events a file has, its first and last log position, its first and last moment.

    Raises ArchiveMustBeReadable.
    """
    import duckdb

    require_unaltered(month)
    try:
        with _database().cursor() as cursor:
            row = cursor.execute(_SPAN, [[str(month.path)]]).fetchone()
    except duckdb.Error as error:
        raise _unreadable(month, error) from error
    events, first, last, begins, ends = row or (0, None, None, 0, 0)
    return events, first, last, _UNIX + begins * _MICROSECOND, _UNIX + ends * _MICROSECOND


def _unreadable(month: ArchivedMonth, error: Exception) -> ArchiveMustBeReadable:
    return ArchiveMustBeReadable(f"the archive {month.path} cannot be read: {first_line(error)}")


def require_unaltered(month: ArchivedMonth) -> None:
    """Raises ArchiveMustBeReadable unless the file is there, byte for byte as it was written.

    It is hashed when it is first met, and again whenever the disk says that it is another.
    """
    if month.disposed_at is not None:
        raise ArchiveMustBeReadable(
            f"the events of {month.month:%Y-%m} were destroyed on {month.disposed_at:%Y-%m-%d}, after their years"
        )
    try:
        found = month.path.stat()
        mark = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if _unaltered.get(month.file_hash) != mark:
            require_hash(month.path, month.file_hash)
            _unaltered[month.file_hash] = mark
    except OSError as error:
        raise ArchiveMustBeReadable(f"the archive {month.path} cannot be read: {error.strerror}") from error


def require_hash(path: Path, expected: bytes) -> None:
    """Raises ArchiveMustBeReadable for a file that is not the one that was written, or OSError."""
    if file_hash(path) != expected:
        raise ArchiveMustBeReadable(f"the archive {path} is not the file that was written: it was altered")


def file_hash(path: Path) -> bytes:
    """The SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


_unaltered: dict[bytes, tuple[int, ...]] = {}
_lock = threading.Lock()
_opened: dict[int, "duckdb.DuckDBPyConnection"] = {}


def _database() -> "duckdb.DuckDBPyConnection":
    """One DuckDB in memory for each process; it knows nothing, and fetches nothing from outside."""
    import duckdb

    with _lock:
        found = _opened.get(os.getpid())
        if found is None:
            config: dict[str, Any] = {
                "threads": 1,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
            found = _opened[os.getpid()] = duckdb.connect(":memory:", config=config)
        return found


def _sql(month: ArchivedMonth, wanted: Wanted) -> tuple[str, list[Any]]:
    sql, parameters = _SELECT, [[str(month.path)], wanted.after]
    for condition, value in (
        ("notification_id <= ?", wanted.up_to),
        ("account_id = ?", wanted.account_id),
        ("originator_id = ?", wanted.stream_id),
        ("starts_with(topic, ?)", wanted.topic),
        ("epoch_us(recorded_at) >= ?", _microseconds(wanted.since)),
        ("epoch_us(recorded_at) <= ?", _microseconds(wanted.at)),
        ("list_contains(?, notification_id)", None if wanted.places is None else list(wanted.places)),
    ):
        if value is not None:
            sql += f" AND {condition}"
            parameters.append(value)
    sql += " ORDER BY notification_id"
    return (sql, parameters) if wanted.limit is None else (f"{sql} LIMIT {wanted.limit:d}", parameters)


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _UNIX) // _MICROSECOND


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
