"""The audit as a file: CSV, JSON lines or Parquet, piece by piece. Memory holds one page, whatever there is."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, Literal, TypeAlias

import msgspec
from psycopg import Connection

from infrastructure.auditing.searching import AuditEntry, Sought, pages
from infrastructure.books.flat import Sink, plain
from infrastructure.origins import Origins
from infrastructure.postgres.connections import connect

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]
MEDIA_TYPES = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
COLUMNS = AuditEntry.__struct_fields__
Tell = Callable[[int, int], None]
"""Told how many log positions have been passed, and how many there are."""

_encode = msgspec.json.Encoder().encode


def export(
    url: str, origins: Origins, format: Format, sought: Sought, *, tell: Tell = lambda at, end: None
) -> Iterator[bytes]:
    """All that is found, in the order of the search, newest first."""
    with closing(connect(url, application="daybook audit export")) as connection:
        yield from _WRITERS[format](_told(connection, origins, sought, tell))


def _told(
    connection: Connection[Any], origins: Origins, sought: Sought, tell: Tell
) -> Iterator[list[AuditEntry]]:
    newest = 0
    for page in pages(connection, origins, sought):
        newest = newest or page[0].log_position
        yield page
        tell(newest - page[-1].log_position, newest)
    tell(newest, newest)


def _as_lines(found: Iterable[list[AuditEntry]]) -> Iterator[bytes]:
    for page in found:
        yield b"".join(_encode(entry) + b"\n" for entry in page)


def _as_csv(found: Iterable[list[AuditEntry]]) -> Iterator[bytes]:
    text = io.StringIO()
    write = csv.writer(text).writerow
    write(COLUMNS)
    for page in found:
        for entry in page:
            write([plain(value) for value in _texts(entry)])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _as_parquet(found: Iterable[list[AuditEntry]]) -> Iterator[bytes]:
    import pyarrow as pa  # half a second that no other format needs
    from pyarrow import parquet

    kinds = {"at": pa.timestamp("us", "UTC"), "log_position": pa.int64(), "number": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    sink = Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for page in found:
            rows = [_texts(entry, at=entry.at) for entry in page]
            columns = [
                pa.array(values, kind)
                for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield sink.taken()
    yield sink.taken()


def _texts(entry: AuditEntry, at: Any = None) -> list[Any]:
    """The entry's fields, all but numbers as text."""
    fields = (getattr(entry, name) for name in COLUMNS)
    return [at if name == "at" and at else _text(value) for name, value in zip(COLUMNS, fields, strict=True)]


def _text(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    if isinstance(value, list):
        return " ".join(str(one) for one in value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_WRITERS: dict[str, Callable[[Iterable[list[AuditEntry]]], Iterator[bytes]]] = {
    "csv": _as_csv,
    "jsonl": _as_lines,
    "parquet": _as_parquet,
}
