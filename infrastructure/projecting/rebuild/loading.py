"""Rows into a table by COPY, in PostgreSQL's binary form."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection
from psycopg.types.json import Jsonb

from infrastructure.projecting.rebuild.generations import Building
from infrastructure.projecting.tables import column_list
from projections.projection import Key, Projection


def copy(connection: Connection[Any], building: Building, rows: Iterable[Struct]) -> None:
    """Append rows."""
    table = building.projection.table
    sql = f"COPY read.{building.table} ({column_list(table)}) FROM STDIN (FORMAT binary)"
    json = [number for number, column in enumerate(table.columns) if column.is_json]
    with connection.cursor().copy(sql.encode()) as into:
        into.set_types([column.sql_type for column in table.columns])
        for row in rows:
            into.write_row(_values(row, json))


def delete(connection: Connection[Any], building: Building, keys: Sequence[Key]) -> None:
    """Remove the rows under these keys, as far as they are there."""
    if not keys:
        return
    table = building.projection.table
    types = {column.name: column.sql_type for column in table.columns}
    wanted = ", ".join(f"%s::{types[name]}[]" for name in table.key)
    joined = " AND ".join(f"t.{name} = gone.{name}" for name in table.key)
    sql = (
        f"DELETE FROM read.{building.table} t"
        f" USING unnest({wanted}) AS gone({', '.join(table.key)}) WHERE {joined}"
    )
    connection.execute(sql.encode(), [list(values) for values in zip(*keys, strict=True)], prepare=True)


def in_key_order(projection: Projection, rows: Sequence[Any]) -> list[Any]:
    """As they will be looked for: by the last column of the key, which is the place in the log."""
    last = projection.key_columns[-1]
    return sorted(rows, key=lambda row: getattr(row, last))


def _values(row: Struct, json: Sequence[int]) -> Sequence[Any]:
    values = msgspec.structs.astuple(row)
    if not json:
        return values
    changed = list(values)
    for number in json:
        changed[number] = Jsonb(changed[number])
    return changed
