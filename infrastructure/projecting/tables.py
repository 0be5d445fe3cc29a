"""A projection's table in PostgreSQL: made, read and written many rows at a time."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection

from infrastructure.postgres import copying
from infrastructure.postgres.arrays import Column, cast_of, column
from projections.projection import Key, Projection, Rows, Table

LIVE = ""
SHADOW = "_shadow"
"""Suffix of a table that is being built beside the live one."""

COPY_FROM = 50
"""So many rows are worth the two round trips of a COPY."""


def column_list(table: Table) -> str:
    """The columns, in the order of the row's fields."""
    return ", ".join(column.name for column in table.columns)


def create(connection: Connection[Any], projection: Projection, *, suffix: str = LIVE) -> None:
    """Make the table and its indexes if they are not there."""
    table, name = projection.table, projection.name + suffix
    columns = ", ".join(
        f"{column.name} {column.sql_type}{'' if column.is_nullable else ' NOT NULL'}"
        for column in table.columns
    )
    key = ", ".join(table.key)
    _run(connection, f"CREATE TABLE IF NOT EXISTS read.{name} ({columns}, PRIMARY KEY ({key}))")
    for number, index in enumerate(table.indexes, 1):
        _run(connection, f"CREATE INDEX IF NOT EXISTS {name}_{number} ON read.{name} {index}")


def exists(connection: Connection[Any], projection: Projection) -> bool:
    """Whether the live table is there."""
    row = connection.execute("SELECT to_regclass(%s)", (f"read.{projection.name}",)).fetchone()
    return row is not None and row[0] is not None


def drop(connection: Connection[Any], projection: Projection, *, suffix: str = LIVE) -> None:
    """Remove the table if it is there."""
    _run(connection, f"DROP TABLE IF EXISTS read.{projection.name}{suffix}")


class Statement(Struct, frozen=True):
    """SQL with `%b` for each parameter, and the parameters."""

    sql: str
    parameters: Sequence[Column] = ()
    rows: bytes | None = None  # of a COPY


def load(
    connection: Connection[Any], projection: Projection, keys: Sequence[Key], *, suffix: str = LIVE
) -> Rows[Any]:
    """The rows under these keys, ready to be folded into."""
    return rows_under(keys, fetch(connection, projection, keys, suffix=suffix))


def rows_under(keys: Sequence[Key], found: dict[Key, Any]) -> Rows[Any]:
    """What was found under these keys, ready to be folded into."""
    return Rows(found, absent=[key for key in keys if key not in found])


def fetch(
    connection: Connection[Any], projection: Projection, keys: Sequence[Key], *, suffix: str = LIVE
) -> dict[Key, Any]:
    """The rows under these keys, by key."""
    question = looking(projection, keys, suffix=suffix)
    if question is None:
        return {}
    found = connection.execute(question.sql.encode(), question.parameters, prepare=True)
    return by_key(projection, found.fetchall())


def looking(projection: Projection, keys: Sequence[Key], *, suffix: str = LIVE) -> Statement | None:
    """The statement that finds the rows under these keys; None when there cannot be any."""
    if projection.only_adds or not keys:
        return None
    table = projection.table
    wanted = ", ".join(f"%b{cast_of(_type_of(table, name))}" for name in table.key)
    joined = " AND ".join(f"t.{name} = want.{name}" for name in table.key)
    sql = (
        f"SELECT {', '.join('t.' + column.name for column in table.columns)}"
        f" FROM unnest({wanted}) AS want({', '.join(table.key)})"
        f" JOIN read.{projection.name}{suffix} t ON {joined}"
    )
    return Statement(sql, _by_column(table, keys))


def by_key(projection: Projection, found: Iterable[Sequence[Any]]) -> dict[Key, Any]:
    """Rows of the table as structs, by key."""
    numbers = _key_numbers(projection)
    return {tuple([values[n] for n in numbers]): row_from(projection, values) for values in found}


def store(
    connection: Connection[Any], projection: Projection, rows: Rows[Any], *, suffix: str = LIVE
) -> None:
    """Write what the fold has changed."""
    for statement in writing(projection, rows, suffix=suffix):
        write(connection, statement)


def writing(
    projection: Projection, rows: Rows[Any], *, suffix: str = LIVE, may_copy: bool = True
) -> list[Statement]:
    """What writes the changes of a fold: the new rows, by COPY when there are many; the changed; the removed.

    A pipeline takes no COPY.
    """
    new, changed = (rows.changed(), []) if projection.only_adds else rows.written()
    copied = _copying(projection, new, suffix) if may_copy and len(new) >= COPY_FROM else None
    if copied is None:
        changed = [*new, *changed]
    statements = [] if copied is None else [copied]
    if changed:
        upsert = _upsert(projection, f"read.{projection.name}{suffix}")
        statements.append(Statement(upsert, _columns(projection, changed)))
    return [*statements, *removing(projection, list(rows.removed()), suffix=suffix)]


def adding(projection: Projection, rows: Sequence[Struct], *, suffix: str) -> list[Statement]:
    """What adds rows that are new for certain, by COPY unless it cannot say what is in them."""
    if not rows:
        return []
    insert = _insert(projection, f"read.{projection.name}{suffix}")
    return [_copying(projection, rows, suffix) or Statement(insert, _columns(projection, rows))]


def removing(projection: Projection, keys: Sequence[Key], *, suffix: str) -> list[Statement]:
    """What removes the rows under these keys, as far as they are there."""
    if not keys:
        return []
    table = projection.table
    wanted = ", ".join(f"%b{cast_of(_type_of(table, name))}" for name in table.key)
    joined = " AND ".join(f"t.{name} = gone.{name}" for name in table.key)
    sql = (
        f"DELETE FROM read.{projection.name}{suffix} t"
        f" USING unnest({wanted}) AS gone({', '.join(table.key)}) WHERE {joined}"
    )
    return [Statement(sql, _by_column(table, keys))]


def _copying(projection: Projection, rows: Sequence[Struct], suffix: str) -> Statement | None:
    text = copying.lines(rows, _json_columns(projection.row))
    if text is None:
        return None
    copy = copying.statement(f"read.{projection.name}{suffix}", column_list(projection.table))
    return Statement(copy.decode(), rows=text)


def write(connection: Connection[Any], statement: Statement) -> None:
    """Run one of them."""
    if statement.rows is None:
        connection.execute(statement.sql.encode(), statement.parameters, prepare=True)
        return
    with connection.cursor().copy(statement.sql.encode()) as into:
        into.write(statement.rows)


@cache
def _json_columns(row: type[Struct]) -> tuple[int, ...]:
    return tuple(number for number, column in enumerate(Projection.columns_of(row)) if column.is_json)


def row_from(projection: Projection, values: Sequence[Any]) -> Any:
    """A row struct from a row of the table; jsonb columns come as their bytes."""
    decoders = _json_decoders(projection.row)
    if not decoders:
        return projection.row(*values)
    decoded = list(values)
    for number, decode in decoders:
        decoded[number] = decode(decoded[number])
    return projection.row(*decoded)


@cache
def _json_decoders(row: type[Struct]) -> tuple[tuple[int, Callable[[bytes], Any]], ...]:
    """The jsonb columns of a row type, by number, and what decodes them."""
    fields = msgspec.structs.fields(row)
    columns = Projection.columns_of(row)
    return tuple(
        (number, msgspec.json.Decoder(field.type).decode)
        for number, (field, column) in enumerate(zip(fields, columns, strict=True))
        if column.is_json
    )


def _insert(projection: Projection, name: str) -> str:
    table = projection.table
    values = ", ".join(f"%b{cast_of(column.sql_type)}" for column in table.columns)
    return f"INSERT INTO {name} ({column_list(table)}) SELECT * FROM unnest({values})"


def _upsert(projection: Projection, name: str) -> str:
    table = projection.table
    changes = [column.name for column in table.columns if column.name not in table.key]
    assigned = ", ".join(f"{column} = EXCLUDED.{column}" for column in changes)
    return f"{_insert(projection, name)} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {assigned}"


@cache
def _key_numbers(projection: Projection) -> tuple[int, ...]:
    names = [column.name for column in projection.table.columns]
    return tuple(names.index(name) for name in projection.table.key)


def _columns(projection: Projection, rows: Iterable[Struct]) -> list[Column]:
    by_column = zip(*(msgspec.structs.astuple(row) for row in rows), strict=True)
    columns = projection.table.columns
    return [column(known.sql_type, values) for known, values in zip(columns, by_column, strict=True)]


def _by_column(table: Table, keys: Sequence[Key]) -> list[Column]:
    by_column = zip(*keys, strict=True)
    return [column(_type_of(table, name), values) for name, values in zip(table.key, by_column, strict=True)]


def _type_of(table: Table, name: str) -> str:
    return next(column.sql_type for column in table.columns if column.name == name)


def _run(connection: Connection[Any], sql: str) -> None:
    connection.execute(sql.encode())
