"""Parquet files of events, written and read back by Arrow as canonical bytes. Imported only where that is done."""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from application.errors import ArchiveMustBeReadable
from infrastructure.archiving.files import first_line

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

_SINCE_2000_US = 946_684_800_000_000
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
        raise ArchiveMustBeReadable(f"the archive {path} cannot be read: {first_line(error)}") from error


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
