"""Bring the schema up to date from the numbered SQL files beside this module.

Each file runs once, in order, in a transaction of its own, and is remembered with its SHA-256: a file
that was changed after it ran is refused. Files called `*_grants.sql` run every time, after all others. Several
processes may call this at once: an advisory lock lets one of them work. Last comes what SQL cannot do: personal data
that stand in the clear are encrypted.
"""

import hashlib
from collections.abc import Iterator
from importlib.resources import files

import psycopg
from msgspec import Struct
from psycopg import Connection

from application.expected import TellTheOperator
from infrastructure.privacy.encrypting import Tell, encrypt_what_is_clear
from infrastructure.privacy.master import MasterKeys

_LOCK = 0x6461_7962_6D69_6772  # "daybmigr"


class MigrationWasChanged(TellTheOperator):
    """A migration file is not the one that ran on this database."""


class Migration(Struct, frozen=True):
    """One SQL file: its number-and-name, text and hash."""

    name: str
    sql: str
    sha256: str

    @property
    def is_repeated(self) -> bool:
        """Whether it runs at every call."""
        return self.name.endswith("_grants.sql")


def migrations() -> list[Migration]:
    """All migrations, in order."""
    folder = files("infrastructure.postgres").joinpath("migrations")
    found = [
        _read(entry.name, entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: (migration.is_repeated, migration.name))


def migrate(owner_url: str, masters: MasterKeys | None = None, tell: Tell = print) -> list[str]:
    """Apply what is missing, as the role that owns the schema. Returns the names applied now.

    The master keys are needed only where personal data stand in the clear: raises MasterKeyMustBeGiven.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = list(_apply_missing(connection))
        encrypt_what_is_clear(connection, masters, tell)
        return applied


def _apply_missing(connection: Connection) -> Iterator[str]:
    rows = connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall()
    applied: dict[str, str] = dict(rows)
    for migration in migrations():
        known = applied.get(migration.name)
        if migration.is_repeated:
            connection.execute(migration.sql.encode())
        elif known is None:
            _apply(connection, migration)
            yield migration.name
        elif known != migration.sha256:
            raise MigrationWasChanged(f"{migration.name} differs from the one applied to this database")


def _apply(connection: Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.sql.encode())
        connection.execute(
            "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)",
            (migration.name, migration.sha256),
        )


def _read(name: str, sql: str) -> Migration:
    return Migration(name, sql, hashlib.sha256(sql.encode()).hexdigest())
