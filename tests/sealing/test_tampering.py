"""What somebody with all rights can do to the database, and how it shows against the published seals."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.sealing.parts import Examined, wrong

COLUMNS = (
    "notification_id, originator_id, originator_version, topic, state, account_id, recorded_at, metadata"
)


def only_difference(examined: Examined, **terms: Any) -> tuple[str, int, int]:
    """The one finding, which must be about an event: kind, log position, number."""
    (finding,) = examined.verify(**terms).findings
    assert finding.where == "log"
    assert finding.difference is not None
    assert str(finding.difference.log_position) in finding.sentence
    return finding.difference.kind, finding.difference.log_position, finding.difference.number


def test_a_log_that_nobody_touched_is_right(examined: Examined) -> None:
    found = examined.verify()

    assert wrong(found) == []
    assert (found.seals, found.count, found.log_position, found.events_read) == (8, 38, 38, 38)
    assert found.root == examined.seals()[-1].seal.root


@pytest.mark.parametrize(
    "change",
    [
        "state = set_byte(state, 20, get_byte(state, 20) # 1)",
        "topic = 'Account.Withdrawn'",
        "account_id = gen_random_uuid()",
        "originator_id = gen_random_uuid()",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "metadata = (metadata::text || ' ')::json",
        "originator_version = 1000000",
    ],
)
def test_a_byte_that_was_changed_anywhere_in_an_event_names_it(examined: Examined, change: str) -> None:
    examined.tamper(f"UPDATE stored_events SET {change} WHERE notification_id = 17")

    assert only_difference(examined) == ("changed", 17, 17)


def test_two_processes_find_what_one_finds(examined: Examined) -> None:
    assert wrong(examined.verify(parallel=2)) == []

    examined.tamper("UPDATE stored_events SET topic = 'x' WHERE notification_id IN (17, 30)")

    assert only_difference(examined, parallel=2) == ("changed", 17, 17)


def test_a_tail_that_was_deleted_names_its_first_event(examined: Examined) -> None:
    examined.tamper("DELETE FROM stored_events WHERE notification_id > 33")

    assert only_difference(examined) == ("missing", 34, 34)


def test_an_event_that_was_deleted_in_the_middle_is_named(examined: Examined) -> None:
    examined.tamper("DELETE FROM stored_events WHERE notification_id = 12")

    assert only_difference(examined) == ("missing", 12, 12)


def test_a_hole_that_was_closed_names_where_it_was(examined: Examined) -> None:
    examined.tamper(
        "DELETE FROM stored_events WHERE notification_id = 12",
        "UPDATE stored_events SET notification_id = notification_id - 1000 WHERE notification_id > 12",
        "UPDATE stored_events SET notification_id = notification_id + 999 WHERE notification_id < 0",
    )

    assert only_difference(examined) == ("changed", 12, 12)


def test_a_log_that_was_truncated_is_missing_from_the_first_event_on(examined: Examined) -> None:
    examined.tamper("TRUNCATE stored_events")

    assert only_difference(examined) == ("missing", 1, 1)


def test_two_events_that_changed_places_name_the_first(examined: Examined) -> None:
    examined.tamper(
        "UPDATE stored_events SET notification_id = -1 WHERE notification_id = 21",
        "UPDATE stored_events SET notification_id = 21 WHERE notification_id = 27",
        "UPDATE stored_events SET notification_id = 27 WHERE notification_id = -1",
    )

    assert only_difference(examined) == ("changed", 21, 21)


@pytest.mark.parametrize("position", [-5, 0])
def test_an_event_that_was_put_in_front_is_named(examined: Examined, position: int) -> None:
    examined.tamper(_copy_to(position))

    assert only_difference(examined) == ("added", position, 1)


def test_an_event_that_was_put_into_a_hole_is_named(examined: Examined) -> None:
    examined.tamper("UPDATE stored_events SET notification_id = 50 WHERE notification_id = 38")
    examined.tamper("UPDATE stored_events SET notification_id = 38 WHERE notification_id = 50")
    examined.tamper(_copy_to(100))
    examined.seal()  # positions need not be without a hole
    assert wrong(examined.verify()) == []

    examined.tamper(_copy_to(60))

    assert only_difference(examined) == ("added", 60, 39)


def test_a_table_that_was_written_anew_from_a_changed_copy_names_the_first_change(
    examined: Examined,
) -> None:
    examined.tamper(
        "CREATE TABLE forged AS SELECT * FROM stored_events",
        "UPDATE forged SET state = convert_to(replace(convert_from(state, 'UTF8'), '1.00', '9.00'), 'UTF8')"
        " WHERE notification_id > 29",
        "TRUNCATE stored_events",
        f"INSERT INTO stored_events ({COLUMNS}) SELECT {COLUMNS} FROM forged ORDER BY notification_id",
        "DROP TABLE forged",
    )

    assert only_difference(examined) == ("changed", 30, 30)


def test_who_changes_the_databases_own_seals_and_hashes_too_is_found_out(examined: Examined) -> None:
    examined.tamper(
        "UPDATE stored_events SET topic = 'Account.Withdrawn' WHERE notification_id = 17",
        "UPDATE seals SET leaves = set_byte(leaves, 40, 7) WHERE number = 4",
    )

    found = examined.verify()

    assert [finding.where for finding in found.findings] == ["database", "log"]
    assert "seal 4: is not the same in the database as published" in found.findings[0].sentence
    assert found.findings[1].difference is not None
    assert found.findings[1].difference.log_position == 17


@pytest.mark.parametrize("what", ["DELETE FROM seals WHERE number = 8", "TRUNCATE seals"])
def test_seals_that_are_gone_from_the_database_are_missed(examined: Examined, what: str) -> None:
    examined.tamper(what)

    (finding,) = examined.verify().findings

    assert finding.where == "database"
    assert "is published, but not in the database" in finding.sentence


def test_a_span_looks_at_its_events_only(examined: Examined) -> None:
    examined.tamper("UPDATE stored_events SET topic = 'x' WHERE notification_id = 17")

    assert wrong(examined.verify(from_position=21)) == []
    assert wrong(examined.verify(to_position=15)) == []
    assert only_difference(examined, from_position=16) == ("changed", 17, 17)
    assert only_difference(examined, to_position=17) == ("changed", 17, 17)
    assert examined.verify(from_position=21, to_position=25).events_read == 5


# The published file.


def test_a_file_that_was_truncated_is_found_out(examined: Examined) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    examined.file.write_bytes(b"".join(lines[:6]))

    (finding,) = examined.verify().findings

    assert finding.sentence == "the published seals end with 6, the database has 8"


def test_a_copy_may_be_older_than_the_log(examined: Examined, tmp_path: Path) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(b"".join(lines[:6]))

    found = examined.verify(copy)

    assert (wrong(found), found.seals, found.log_position) == ([], 6, 30)
    assert any("what came later was not looked at" in note for note in found.notes)


def test_a_file_that_was_cut_off_in_a_line_is_found_out(examined: Examined) -> None:
    examined.file.write_bytes(examined.file.read_bytes()[:-7])

    assert wrong(examined.verify()) == [("seals", "seal 8: the line has no end: it was cut off")]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b'"count":25', b'"count":26', "is not what was signed"),
        (b'"leaves":"', b'"leaves":"AAAA', "its leaves are not as many as its events"),
        (b'"signature":"', b'"signature":"AAAA', "is not what was signed"),
        (b'{"seal"', b'{"sael"', "the line cannot be read"),
    ],
)
def test_a_file_that_was_edited_names_the_seal(
    examined: Examined, old: bytes, new: bytes, sentence: str
) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    assert old in lines[4]
    lines[4] = lines[4].replace(old, new)
    examined.file.write_bytes(b"".join(lines))

    findings = examined.verify().findings

    assert (findings[0].where, findings[0].seal) == ("seals", 5)
    assert sentence in findings[0].sentence


def test_leaves_that_are_not_those_of_the_root_are_found_out(examined: Examined) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    lines[2], other = lines[2].split(b'"leaves":"'), lines[3].split(b'"leaves":"')[1]
    lines[2] = b'"leaves":"'.join([lines[2][0], other])
    examined.file.write_bytes(b"".join(lines))

    assert wrong(examined.verify())[0] == ("seals", "seal 3: its root is not that of its leaves")


def test_a_seal_that_was_taken_out_of_the_file_is_missed(examined: Examined) -> None:
    lines = examined.file.read_bytes().splitlines(keepends=True)
    examined.file.write_bytes(b"".join([*lines[:3], *lines[4:]]))

    assert wrong(examined.verify())[0] == ("seals", "seal 4: is missing, seal 5 stands in its place")


def test_seals_of_another_key_are_not_believed(
    examined: Examined, desk: Any, servers: Any, tmp_path: Path
) -> None:
    forger = Examined(desk, servers, tmp_path / "forger", events=5)
    examined.tamper("TRUNCATE seals", "TRUNCATE seal_blocks")
    forger.seal()
    forger.public_keys.write_bytes(examined.public_keys.read_bytes())

    findings = forger.verify().findings

    assert "which is not a trusted one" in findings[0].sentence


# What stands in the way.


@pytest.mark.parametrize("table", ["stored_events", "seals", "seal_blocks", "idempotency_keys", "deeds"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_update_delete_and_truncate_are_refused_to_everybody(
    database: Any, examined: Examined, table: str, verb: str
) -> None:
    column = {"stored_events": "topic", "idempotency_keys": "key", "deeds": "actor"}.get(table, "number")
    statement = verb.format(table, column, column)
    if table in ("seal_blocks", "idempotency_keys", "deeds"):
        examined.tamper(*_fill(table))

    for url in (database.app_url, database.owner_url):
        with (
            psycopg.connect(url, autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())
    as_replica = f"SET session_replication_role = replica; {statement}"
    with examined.superuser() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(as_replica.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE stored_events DISABLE TRIGGER ALL",
        "ALTER TABLE seals DISABLE TRIGGER seals_are_for_ever",
        "DROP TRIGGER stored_events_are_for_ever ON stored_events",
        "DROP TABLE seals",
        "ALTER TABLE seals OWNER TO daybook_app",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE RULE quiet AS ON INSERT TO stored_events DO INSTEAD NOTHING",
        "SET ROLE daybook_owner",
        "GRANT UPDATE ON stored_events TO daybook_app",
        "UPDATE seals SET number = number",
    ],
)
def test_the_role_that_runs_daybook_cannot_switch_anything_off(examined: Examined, statement: str) -> None:
    with psycopg.connect(examined.url, autocommit=True) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            pass
        else:
            assert statement.startswith("GRANT"), "it was not refused"  # a warning, and nothing granted
    assert wrong(examined.verify()) == []


@pytest.mark.parametrize("table", ["stored_events", "seals", "seal_blocks"])
def test_a_trigger_that_is_off_is_a_finding(examined: Examined, table: str) -> None:
    with examined.superuser() as connection:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())

    findings = wrong(examined.verify())

    assert {where for where, _ in findings} == {"guards"}
    assert len(findings) == (3 if table == "stored_events" else 2)
    assert all(sentence.startswith(table) for _, sentence in findings)


def test_a_right_too_many_is_a_finding(examined: Examined) -> None:
    with examined.superuser() as connection:
        connection.execute("GRANT DELETE, TRUNCATE ON stored_events TO daybook_app")

    assert wrong(examined.verify()) == [
        ("guards", "stored_events: the role daybook_app may DELETE, TRUNCATE")
    ]


@pytest.mark.parametrize("grantee", ["daybook_app", "public"])
def test_a_right_to_change_one_column_is_a_finding(examined: Examined, grantee: str) -> None:
    with examined.superuser() as connection:
        connection.execute(f"GRANT UPDATE (state, topic) ON stored_events TO {grantee}".encode())

    assert wrong(examined.verify()) == [
        ("guards", "stored_events: the role daybook_app may UPDATE (topic, state)")
    ]


def test_a_last_row_that_cannot_be_read_is_a_finding(examined: Examined) -> None:
    examined.tamper("UPDATE seals SET seal = 'x' WHERE number = 8")

    (finding,) = examined.verify().findings

    assert (finding.where, finding.seal) == ("database", 8)
    assert "cannot be read in the database" in finding.sentence


def test_the_progress_is_out_of_what_is_read(examined: Examined) -> None:
    told: list[tuple[str, int, int]] = []
    for span in ({}, {"to_position": 10}, {"from_position": 21, "to_position": 27}, {"from_position": 36}):
        examined.verify(tell=lambda *progress: told.append(progress), **span)

    assert told == [("events", 38, 38), ("events", 10, 10), ("events", 10, 10), ("events", 3, 3)]


def _copy_to(position: int) -> str:
    others = COLUMNS.removeprefix("notification_id, originator_id, ")
    return (
        f"INSERT INTO stored_events ({COLUMNS}) SELECT {position}, gen_random_uuid(), {others}"
        " FROM stored_events WHERE notification_id = 3"
    )


def _fill(table: str) -> list[str]:
    if table == "seal_blocks":
        return ["INSERT INTO seal_blocks VALUES (0, 'x')"]
    if table == "deeds":
        columns = "deed_id, log_position, at, kind, topic, actor, role, text, about"
        return [
            f"INSERT INTO deeds ({columns}) SELECT gen_random_uuid(), 1, now(), 'act', 'x', 'x', 'x', 'x', '{{}}'"
        ]
    return ["INSERT INTO idempotency_keys VALUES (gen_random_uuid(), 'k', '', '', now())"]
