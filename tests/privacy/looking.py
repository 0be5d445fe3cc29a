"""Looks for a text everywhere where Daybook keeps something: every table, Redis, the servers' logs and files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import conninfo

from tests.conftest import Servers

_TABLES = (
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    " ORDER BY 1"
)


def as_superuser(servers: Servers, url: str) -> str:
    """The same database, for the superuser."""
    name = str(conninfo.conninfo_to_dict(url)["dbname"])
    return servers.postgres.url(user="postgres", database=name)


def dump(superuser_url: str) -> dict[str, list[str]]:
    """Every row of every table as text, bytes in hexadecimal, in the order of the text."""
    with psycopg.connect(superuser_url) as connection:
        names = [name for (name,) in connection.execute(_TABLES).fetchall()]
        return {
            name: [row for (row,) in connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1".encode())]
            for name in names
        }


def dump_redis(url: str) -> bytes:
    """Everything that is in Redis."""
    with redis.Redis.from_url(url) as client:
        return b"\n".join(key + b"\n" + (client.dump(key) or b"") for key in client.keys("*"))


def forms_of(text: str) -> list[bytes]:
    """A text as it may stand somewhere: as it is, in small letters, and in hexadecimal."""
    return [
        text.encode(),
        text.lower().encode(),
        text.encode().hex().encode(),
        text.lower().encode().hex().encode(),
    ]


def found_in(where: bytes, texts: Iterable[str]) -> list[str]:
    """Which of the texts are there in some form."""
    return [text for text in texts if any(form in where for form in forms_of(text))]


def logs_of(servers: Servers) -> bytes:
    """What the servers have logged."""
    return b"".join(file.read_bytes() for file in servers.postgres.log.parent.glob("*.log*"))


def files_of(superuser_url: str, data: Path, tables: Iterable[str]) -> Iterator[bytes]:
    """The bytes of tables' own files, once everything is written there."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        for table in tables:
            row: Any = connection.execute("SELECT pg_relation_filepath(%s)", (table,)).fetchone()
            yield (data / row[0]).read_bytes()
