"""Rows as text for COPY, encoded a whole batch at a time.

A row as a JSON array is almost a line of CSV: strings in quotes, `null` without them, numbers bare. So msgspec
encodes all rows in one call, the brackets between lines go, and PostgreSQL reads the rest with `\\` for its
escape. What JSON escapes otherwise than by a backslash before a quote or backslash, such as a newline, CSV would
keep as it stands: such a batch is refused here and goes as arrays.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

_encoder = msgspec.json.Encoder()
_other_escape = re.compile(rb'\\[^"\\]').search


def statement(table: str, columns: str) -> bytes:
    """The COPY that takes such lines."""
    options = "FORMAT csv, QUOTE '\"', ESCAPE '\\', NULL 'null', ENCODING 'UTF8'"
    return f"COPY {table} ({columns}) FROM STDIN ({options})".encode()


def lines(rows: Sequence[Struct], json_columns: Sequence[int] = ()) -> bytes | None:
    """The rows, one line each; the columns of these numbers are encoded as JSON within. None when CSV cannot
    say what is in them.
    """
    values: list[Any] = [msgspec.structs.astuple(row) for row in rows]
    if json_columns:
        values = [_with_json(row, json_columns) for row in values]
    text = _encoder.encode_lines(values)
    if b"\\" in text and _other_escape(text):
        return None
    # A newline in a string is escaped, so these three bytes stand between two rows and nowhere else.
    return text[1:-2].replace(b"]\n[", b"\n") + b"\n"


def _with_json(row: Sequence[Any], columns: Sequence[int]) -> list[Any]:
    values = list(row)
    for number in columns:
        values[number] = _encoder.encode(values[number]).decode()
    return values
