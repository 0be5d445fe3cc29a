"""Files of archived events: Parquet, compressed by zstd, with the columns of the log's table.

They are called by what is in them, so that a file can be told from any other by its name, and a second try writes the same one:

    events-2026-01-1-48210-9f86d081884c7d65.parquet      month, first and last log position, SHA-256 (its beginning)

Rows are read by DuckDB; canonical bytes, to be hashed, straight by Arrow.
"""

import hashlib
import os
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from application.errors import ArchiveMustBeReadable
from infrastructure.archiving.months import ArchivedMonth, Wanted
from infrastructure.eventstore.recorded import Recorded

ROW_GROUP = 32_768

SCHEMA = pa.schema(
    [
        pa.field("notification_id", pa.int64(), nullable=False),
        pa.field("originator_id", pa.uuid(), nullable=False),
        pa.field("originator_version", pa.int64(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("state", pa.binary(), nullable=False),
        pa.field("account_id", pa.uuid(), nullable=False),
        pa.field("recorded_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
    ]
)

_SELECT = (
    "SELECT notification_id, originator_id, originator_version, topic, state, account_id, epoch_us(recorded_at),"
    " metadata FROM read_parquet(?) WHERE notification_id > ?"
)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_SINCE_2000_US = 946_684_800_000_000
_MICROSECOND = timedelta(microseconds=1)
_number = struct.Struct("!q")
_head = struct.Struct("!hiqi16siqi")
_middle = struct.Struct("!i16siqi")
_length = struct.Struct("!i")


def write_events(path: Path, rows: Iterable[Sequence[bytes]]) -> None:
    """Write canonical events, chunk by chunk, to a new file, and wait until it is on the disk. Raises OSError."""
    with path.open("xb") as file:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=["topic", "account_id", "metadata"],
                              write_page_checksum=True) as writer:  # fmt: skip
            for table in _tables(rows):
                writer.write_table(table, row_group_size=ROW_GROUP)
        file.flush()
        os.fsync(file.fileno())


def canonical_rows(path: Path, after: int = -1, up_to: int | None = None) -> Iterator[list[bytes]]:
    """The canonical bytes of a file's events after a log position and up to another, in order, in chunks.

    Raises ArchiveMustBeReadable.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for number in range(file.num_row_groups):
                statistics = file.metadata.row_group(number).column(0).statistics
                if statistics.max <= after or (up_to is not None and statistics.min > up_to):
                    continue
                table = file.read_row_group(number)
                chunk = _canonical(table, after, up_to)
                if chunk:
                    yield chunk
    except (OSError, pa.ArrowException, ValueError, struct.error, AttributeError) as error:
        raise ArchiveMustBeReadable(f"the archive {path} cannot be read: {_first_line(error)}") from error


def rows_in(month: ArchivedMonth, wanted: Wanted) -> list[Recorded]:
    """The rows of a file that are wanted, in order. Raises ArchiveMustBeReadable."""
    require_unaltered(month)
    sql, parameters = _sql(month, wanted)
    try:
        with _database().cursor() as cursor:
            found = cursor.execute(sql, parameters).fetchall()
    except duckdb.Error as error:
        raise ArchiveMustBeReadable(
            f"the archive {month.path} cannot be read: {_first_line(error)}"
        ) from error
    return [
        Recorded(place, stream, version, topic, state, account, _UNIX + moment * _MICROSECOND, said.encode())
        for place, stream, version, topic, state, account, moment, said in found
    ]


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
_opened: dict[int, duckdb.DuckDBPyConnection] = {}


def _database() -> duckdb.DuckDBPyConnection:
    """One DuckDB in memory for each process; it knows nothing, and fetches nothing from outside."""
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


def _tables(rows: Iterable[Sequence[bytes]]) -> Iterator[pa.Table]:
    """Arrow tables of a row group each."""
    waiting: list[bytes] = []
    for chunk in rows:
        waiting += chunk
        while len(waiting) >= ROW_GROUP:
            yield _table(waiting[:ROW_GROUP])
            del waiting[:ROW_GROUP]
    if waiting:
        yield _table(waiting)


def _table(rows: Sequence[bytes]) -> pa.Table:
    fields = list(zip(*map(_fields, rows), strict=True))
    position, stream, version, topic, state, account, moment, metadata = fields
    moments = [_number.unpack(one)[0] + _SINCE_2000_US for one in moment]
    columns = [
        pa.array([_number.unpack(one)[0] for one in position], pa.int64()),
        _uuids(stream),
        pa.array([_number.unpack(one)[0] for one in version], pa.int64()),
        pa.array([one.decode() for one in topic], pa.string()),
        pa.array(state, pa.binary()),
        _uuids(account),
        pa.array(moments, pa.timestamp("us", tz="UTC")),
        pa.array([one.decode() for one in metadata], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _uuids(values: Sequence[bytes]) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(values, pa.binary(16)))


def _fields(canonical: bytes) -> list[bytes]:
    found, at = [], 2
    while at < len(canonical):
        (length,) = _length.unpack_from(canonical, at)
        found.append(canonical[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _canonical(table: pa.Table, after: int, up_to: int | None) -> list[bytes]:
    """As `canonical_of` makes them, many at once."""
    columns = [_plain(table.column(field.name)) for field in SCHEMA]
    return [
        _head.pack(8, 8, place, 16, stream, 8, version, len(topic)) + topic + _length.pack(len(state)) + state
        + _middle.pack(16, account, 8, moment - _SINCE_2000_US, len(said)) + said
        for place, stream, version, topic, state, account, moment, said in zip(*columns, strict=True)
        if place > after and (up_to is None or place <= up_to)
    ]  # fmt: skip


def _plain(column: pa.ChunkedArray) -> list[Any]:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    if isinstance(whole, pa.ExtensionArray):
        whole = whole.storage
    elif pa.types.is_string(whole.type):
        whole = whole.cast(pa.binary())
    elif pa.types.is_timestamp(whole.type):
        whole = whole.cast(pa.int64())
    values: list[Any] = whole.to_pylist()
    return values


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
