"""A database from before partitions and proofs: what was folded stays, and is proved from then on."""

from typing import Any

import psycopg

from infrastructure.postgres import migrate as migrations
from infrastructure.projecting.verifying import verify
from projections.catalogue import PROJECTIONS
from tests.projecting.tripwire import positions
from tests.projecting.worked import ANN, Desk, deposit, project, tables, work

BEFORE = (
    "DROP VIEW projections",
    "DROP TABLE projection_parked, projection_proofs, projection_partitions, projection_generations",
    "CREATE TABLE projections (name text PRIMARY KEY, version integer NOT NULL, position bigint NOT NULL,"
    " updated_at timestamptz NOT NULL, failure text)",
    "DELETE FROM schema_migrations WHERE name = '0005_projection_proofs.sql'",
)
"""Undoes one migration. What later ones made may stay: none of it is about projections."""


def test_tables_of_an_older_installation_go_on_and_are_proved_from_there(desk: Desk, database: Any) -> None:
    work(desk)
    project(desk.url)
    before = tables(desk.url)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        standing = connection.execute("SELECT name, version, position, updated_at, failure FROM projections")
        known = standing.fetchall()
        for statement in BEFORE:
            connection.execute(statement.encode())
        connection.cursor().executemany("INSERT INTO projections VALUES (%s, %s, %s, %s, %s)", known)

    applied = migrations.migrate(database.owner_url)
    kept = positions(desk.url), tables(desk.url)
    desk.all_at_once([deposit(ANN)] * 5)
    project(desk.url)

    found = list(verify(desk.url, PROJECTIONS, rows=True))
    assert applied == ["0005_projection_proofs.sql"]
    assert kept == ({projection.name: 41 for projection in PROJECTIONS}, before)
    assert all(one.is_right for one in found), found
    assert {(one.proved_after, one.events, one.position) for one in found} == {(41, 5, 46)}
