"""A projection's table without and with its indexes, under any of its names."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from projections.projection import Projection


def create(connection: Connection[Any], projection: Projection, *, suffix: str, is_indexed: bool) -> None:
    """Make the bare table; its primary key too when rows will be looked up while it is filled."""
    columns = ", ".join(
        f"{column.name} {column.sql_type}{'' if column.is_nullable else ' NOT NULL'}"
        for column in projection.table.columns
    )
    run(connection, f"CREATE TABLE read.{projection.name}{suffix} ({columns})")
    if is_indexed:
        run(connection, _primary_key(projection, suffix))


def add_indexes(connection: Connection[Any], projection: Projection, *, suffix: str) -> None:
    """Make what `create` left out, and let the planner know the table."""
    name = projection.name + suffix
    if not exists(connection, f"{name}_pkey"):
        run(connection, _primary_key(projection, suffix))
    for number, index in enumerate(projection.table.indexes, 1):
        run(connection, f"CREATE INDEX IF NOT EXISTS {name}_{number} ON read.{name} {index}")
    run(connection, f"ANALYZE read.{name}")


def exists(connection: Connection[Any], name: str) -> bool:
    """Whether the schema `read` has a table or index of this name."""
    row = connection.execute("SELECT to_regclass(%s)", (f"read.{name}",)).fetchone()
    return row is not None and row[0] is not None


def drop(connection: Connection[Any], name: str) -> None:
    """Remove a table if it is there."""
    run(connection, f"DROP TABLE IF EXISTS read.{name}")


def rename(connection: Connection[Any], before: str, after: str) -> None:
    """Give a table another name, and its indexes the names that go with it."""
    for index in list(_indexes(connection, before)):
        run(connection, f"ALTER INDEX read.{index} RENAME TO {after}{index.removeprefix(before)}")
    run(connection, f"ALTER TABLE read.{before} RENAME TO {after}")


def _indexes(connection: Connection[Any], name: str) -> Iterator[str]:
    found = connection.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'read' AND tablename = %s", (name,)
    )
    return (row[0] for row in found.fetchall())


def _primary_key(projection: Projection, suffix: str) -> str:
    name = projection.name + suffix
    return (
        f"ALTER TABLE read.{name} ADD CONSTRAINT {name}_pkey PRIMARY KEY ({', '.join(projection.table.key)})"
    )


def run(connection: Connection[Any], sql: str) -> None:
    """Carry out a statement made of checked identifiers."""
    connection.execute(sql.encode())
