"""One hash for a whole read table: the same for the same log and code, wherever and however it was folded."""

from hashlib import blake2b
from typing import Any

from psycopg import Connection

from infrastructure.projecting import tables
from projections.projection import Column, Projection


def table_hash(connection: Connection[Any], projection: Projection, *, suffix: str = tables.LIVE) -> str:
    """Of all rows in the order of their keys, and of what the columns are called.

    Numbers count by value, texts by their bytes, moments as UTC: nothing depends on the database's settings.
    """
    table = projection.table
    found = blake2b(
        f"{table.name} {projection.version} {tables.column_list(table)}\n".encode(), digest_size=16
    )
    columns = ", ".join(_plain(column) for column in table.columns)
    kinds = {column.name: column.sql_type for column in table.columns}
    order = ", ".join(f'{name} COLLATE "C"' if kinds[name] == "text" else name for name in table.key)
    sql = f"COPY (SELECT {columns} FROM read.{table.name}{suffix} ORDER BY {order}) TO STDOUT"
    with connection.cursor() as cursor, cursor.copy(sql.encode()) as rows:
        for part in rows:
            found.update(part)
    return found.hexdigest()


def _plain(column: Column) -> str:
    """A column in a form that has one text for each value."""
    if column.sql_type == "numeric":
        return f"trim_scale({column.name})"
    if column.sql_type == "timestamptz":
        return f"extract(epoch FROM {column.name})"
    if column.sql_type == "date":
        return f"({column.name} - DATE '1970-01-01')"
    return column.name
