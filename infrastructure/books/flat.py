"""The books as rows for spreadsheets and data tools: one line a posting, as CSV or Parquet."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from infrastructure.books.entries import Entry

COLUMNS = (
    "booked_on",
    "effective_on",
    "recorded_at",
    "log_position",
    "line",
    "event",
    "words",
    "account_id",
    "book",
    "account",
    "commodity",
    "amount",
    "cost",
    "lot_id",
    "acquired_on",
    "price",
    "order_id",
    "corrects",
    "reverses",
)

ROWS = 20_000
"""Rows of one group of a Parquet file: so many are in memory."""


def rows(entries: Iterable[Entry]) -> Iterator[tuple[Any, ...]]:
    """A row for each line of each entry; lines of an event are numbered within their book."""
    for entry in entries:
        for number, line in enumerate(entry.lines, 1):
            lot = line.lot
            yield (
                entry.on,
                entry.effective_on,
                entry.recorded_at,
                entry.log_position,
                number,
                entry.event,
                entry.words,
                str(entry.account_id),
                line.book.value,
                line.account,
                line.commodity,
                line.amount,
                line.cost,
                None if lot is None else str(lot.lot_id),
                None if lot is None else lot.acquired_at.date(),
                entry.price if lot is not None and line.amount < 0 else None,
                None if entry.order_id is None else str(entry.order_id),
                entry.corrects,
                entry.reverses,
            )


def as_csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Comma-separated values as RFC 4180 has them, with a line of names; UTF-8."""
    text = io.StringIO()
    write = csv.writer(text).writerow
    write(COLUMNS)
    for row in rows(entries):
        write([value.isoformat() if hasattr(value, "isoformat") else plain(value) for value in row])
        if text.tell() > 1 << 16:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def plain(value: Any) -> Any:
    text = value if not hasattr(value, "as_tuple") else f"{value:f}"
    # A spreadsheet would take such a text for a formula; a number may begin with a minus.
    return f"'{text}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else text


def as_parquet(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A Parquet file, in groups of rows; amounts are decimals, exact."""
    import pyarrow as pa  # half a second that no other format needs
    from pyarrow import parquet

    schema = pa.schema([(name, _kind(pa, name)) for name in COLUMNS])
    sink = Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for group in _groups(rows(entries)):
            columns = [
                pa.array(values, kind)
                for values, kind in zip(zip(*group, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield sink.taken()
    yield sink.taken()


def _kind(pa: Any, name: str) -> Any:
    kinds = {
        "recorded_at": pa.timestamp("us", "UTC"),
        "log_position": pa.int64(),
        "line": pa.int32(),
        "amount": pa.decimal128(30, 6),
        "cost": pa.decimal128(30, 2),
        "price": pa.decimal128(30, 4),
    }
    return kinds.get(name, pa.date32() if name.endswith("_on") else pa.string())


def _groups(found: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    group: list[tuple[Any, ...]] = []
    for row in found:
        group.append(row)
        if len(group) == ROWS:
            yield group
            group = []
    if group:
        yield group


class Sink(io.RawIOBase):
    """A file that gives out what was written into it and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        data = bytes(part)
        self._parts.append(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        """What was written since this was last asked."""
        found, self._parts = b"".join(self._parts), []
        return found
