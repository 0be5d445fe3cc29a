"""Closed months move out of the table, and nobody who asks about them is told anything else than before."""

from datetime import date
from uuid import uuid4

import psycopg
import pytest

from application.errors import ArchiveMustBeReadable
from infrastructure.archiving.checking import check_files
from infrastructure.archiving.months import all_months
from infrastructure.archiving.moving import MonthMustBeSealed
from infrastructure.eventstore.aggregates import encode_snapshot, load_aggregates
from infrastructure.postgres.connections import connect
from tests.archiving.parts import AFTER_ALL, Kept, money
from tests.projecting.worked import ANN, BOB, FIRST
from tests.sealing.parts import wrong


def test_everything_is_told_as_before(kept: Kept) -> None:
    kept.live()
    before = kept.told()

    moved = kept.archive()

    assert [f"{one.month:%Y-%m}" for one in moved] == ["2026-01", "2026-02", "2026-03"]
    assert kept.hot()[0] == moved[-1].last_position + 1
    assert kept.told() == before
    found = kept.verify()
    assert wrong(found) == []
    assert found.events_read == len(before["rows"])


def test_only_months_that_are_closed_and_asked_for_move(kept: Kept) -> None:
    kept.live()

    first = kept.archive(date(2026, 2, 1))
    again = kept.archive(date(2026, 2, 1))
    rest = kept.archive(AFTER_ALL)

    assert [f"{one.month:%Y-%m}" for one in first] == ["2026-01"]
    assert again == []
    assert [f"{one.month:%Y-%m}" for one in rest] == ["2026-02", "2026-03"]  # April has not ended
    assert rest[0].first_position == first[0].last_position + 1


def test_work_goes_on_after_the_archive(kept: Kept) -> None:
    kept.live()
    end = kept.hot()[-1]
    kept.archive()

    answer = kept.desk.do(money(ANN))

    assert answer.log_position == end + 1
    rows = kept.rows()
    assert [row.log_position for row in rows] == list(range(1, end + 2))
    versions = [row.originator_version for row in rows if row.originator_id == ANN]
    assert versions == list(range(1, len(versions) + 1))


def test_aggregates_are_whole_without_their_snapshots(kept: Kept) -> None:
    kept.live()
    from domain.account import Account
    from domain.order import Order

    streams = [(Account, ANN), (Account, BOB), (Order, FIRST), (Account, uuid4())]
    with kept.connection() as connection:
        before = load_aggregates(connection, streams)
    kept.archive()

    with kept.connection() as connection:
        with_snapshots = load_aggregates(connection, streams)
        connection.execute("DELETE FROM stored_snapshots")
        without = load_aggregates(connection, streams)

    assert {ANN, BOB, FIRST} == set(before)
    for found in (with_snapshots, without):
        assert {i: encode_snapshot(one) for i, one in found.items()} == {
            i: encode_snapshot(one) for i, one in before.items()
        }


def test_a_committer_that_slept_through_the_archive_forgets_what_it_knew(kept: Kept) -> None:
    from tests.projecting.worked import Desk

    kept.live()
    other = Desk(kept.url)
    try:
        other.time = kept.desk.time
        other.do(money(ANN))
        kept.desk.time = other.time.replace(month=5)
        for _ in range(3):
            kept.desk.do(money(ANN))
        kept.examined.seal()
        kept.desk.time = other.time.replace(month=6)
        kept.desk.do(money(ANN))
        kept.examined.seal()
        kept.archive()

        other.time = kept.desk.time
        other.do(money(ANN))
    finally:
        other.close()

    versions = [row.originator_version for row in kept.rows() if row.originator_id == ANN]
    assert versions == list(range(1, len(versions) + 1))


def test_no_version_and_no_position_is_given_out_again(kept: Kept) -> None:
    kept.live()
    moved = kept.archive()
    end, columns = kept.hot()[-1], "topic, state, account_id, recorded_at, metadata"

    with kept.owner() as owner:
        for position, stream, version in ((end + 1, ANN, 1), (moved[0].last_position, uuid4(), 1)):
            with pytest.raises(psycopg.errors.UniqueViolation, match="archived"):
                owner.execute(
                    f"INSERT INTO stored_events (notification_id, originator_id, originator_version, {columns})"
                    f" SELECT %s, %s, %s, {columns} FROM stored_events LIMIT 1".encode(),
                    (position, stream, version),
                )

    assert kept.hot()[-1] == end


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM stored_events",
        "DELETE FROM stored_events WHERE notification_id > 30",
        "UPDATE stored_events SET topic = topic",
        "TRUNCATE stored_events",
        "DELETE FROM archived_months",
        "UPDATE archived_months SET moved_by = pg_current_xact_id()",
        "UPDATE archived_streams SET last_version = 0",
        "DELETE FROM archived_streams",
        "TRUNCATE archived_months CASCADE",
        "DELETE FROM legal_holds",
        "DELETE FROM archive_disposals",
    ],
)
def test_nothing_else_lets_go_of_a_row(kept: Kept, statement: str) -> None:
    kept.live()
    kept.archive(date(2026, 2, 1))
    with kept.owner() as owner:
        owner.execute("INSERT INTO legal_holds (act, reason, actor) VALUES ('placed', 'x', 'x')")
        before = kept.hot()

        if "disposals" in statement:
            with pytest.raises(psycopg.errors.CheckViolation, match="legal hold"):
                owner.execute("INSERT INTO archive_disposals (archive, reason, actor) VALUES (1, 'x', 'x')")
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement.encode())

    assert kept.hot() == before


COPIED = (
    "INSERT INTO archived_months (number, month, first_position, last_position, events, first_recorded_at,"
    " last_recorded_at, tree_hash, leaves_hash, folder, file, file_hash, seals_file, seals_hash)"
    " SELECT {number}, '2026-02-01', {first}, {last}, {last} - {first} + 1, min(recorded_at), max(recorded_at),"
    " 'x', {hash}, '/', 'x', 'x', 'x', 'x' FROM stored_events WHERE notification_id BETWEEN {first} AND {last}"
)
TRUE = (
    "(SELECT sha256(string_agg(sha256('\\x00'::bytea || canonical_event(e)), '' ORDER BY notification_id))"
    " FROM stored_events e WHERE notification_id BETWEEN {first} AND {last})"
)


@pytest.mark.parametrize("fault", ["hash", "gap", "again", "last", "sealed", "none"])
def test_the_database_takes_no_archive_that_is_not_true(kept: Kept, fault: str) -> None:
    """Even from the owner, with SQL of his own."""
    kept.live()
    (moved,) = kept.archive(date(2026, 2, 1))
    if fault == "sealed":
        kept.desk.do(money(ANN))
        kept.desk.do(money(ANN))
    first, hot = moved.last_position + 1, kept.hot()
    last = {"last": hot[-1], "sealed": hot[-2]}.get(fault, first + 3)
    first += {"gap": 1, "again": -1}.get(fault, 0)
    true = TRUE.format(first=first, last=last)
    sql = COPIED.format(number=2, first=first, last=last, hash="'x'" if fault == "hash" else true)

    with kept.owner() as owner:
        if fault == "none":
            owner.execute(sql.encode())
        else:
            with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
                owner.execute(sql.encode())

    assert kept.hot() == ([n for n in hot if n > last] if fault == "none" else hot)


def test_the_role_that_runs_daybook_cannot_archive(kept: Kept) -> None:
    kept.live()

    with kept.connection() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(COPIED.format(number=1, first=1, last=3, hash="'x'").encode())


def test_what_is_not_sealed_is_not_archived(kept: Kept) -> None:
    kept.live()
    lines = kept.examined.file.read_bytes().splitlines(keepends=True)
    kept.examined.file.write_bytes(b"".join(lines[:1]))
    before = kept.hot()

    with pytest.raises(MonthMustBeSealed, match="published seals end"):
        kept.archive()

    assert kept.hot() == before


def test_what_is_not_as_it_was_sealed_is_not_archived(kept: Kept) -> None:
    kept.live()
    kept.examined.tamper("UPDATE stored_events SET topic = 'x' WHERE notification_id = 3")

    with pytest.raises(MonthMustBeSealed, match="log position 3 "):
        kept.archive()

    assert kept.hot()[0] == 1


@pytest.mark.parametrize("what", ["altered", "missing"])
def test_a_file_that_cannot_be_believed_is_named_and_refused(kept: Kept, what: str) -> None:
    kept.live()
    first, *_ = kept.archive()
    if what == "missing":
        first.path.unlink()
    else:
        data = bytearray(first.path.read_bytes())
        data[len(data) // 2] ^= 1
        first.path.chmod(0o600)
        first.path.write_bytes(data)

    found = kept.verify()

    assert [(one.where, first.file in one.sentence) for one in found.findings] == [("archive", True)]
    with kept.connection() as connection:
        checked = list(check_files(connection))
    assert [one.wrong is not None for one in checked] == [True, False, False]
    with pytest.raises(ArchiveMustBeReadable, match="events-2026-01"):
        kept.rows()


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        (f"DELETE FROM archived_streams WHERE account_id = '{ANN}'", "archived_streams"),
        (f"DELETE FROM archived_streams WHERE originator_id = '{ANN}' AND archive = 2", "archived_streams"),
        (f"UPDATE archived_streams SET account_id = '{BOB}'", "archived_streams"),
        ("UPDATE archived_streams SET last_version = last_version + 1", "archived_streams"),
        ("UPDATE archived_streams SET last_topic = 'Account.Closed'", "archived_streams"),
        (
            "INSERT INTO archived_streams SELECT 1, gen_random_uuid(), account_id, 1, 1, last_topic, last_recorded_at"
            " FROM archived_streams LIMIT 1",
            "archived_streams",
        ),
        (
            "UPDATE archived_months SET last_recorded_at = first_recorded_at - interval '1 day'",
            "archived_months",
        ),
        ("UPDATE archived_months SET events = events - 1 WHERE number = 2", "archived_months"),
    ],
)
def test_what_leads_readers_to_files_is_held_against_them(kept: Kept, tampering: str, told: str) -> None:
    kept.live()
    kept.archive()
    kept.examined.tamper(
        f"ALTER TABLE {told} DISABLE TRIGGER USER", tampering, f"ALTER TABLE {told} ENABLE TRIGGER USER"
    )

    assert any(
        one.where == "archive" and one.sentence.startswith(f"{told} says") for one in kept.verify().findings
    )
    with kept.connection() as connection:
        assert any((one.wrong or "").startswith(f"{told} says") for one in check_files(connection))


def test_only_what_an_archiver_left_half_written_is_cleared_away(kept: Kept) -> None:
    kept.live()
    folder = kept.archive(date(2026, 2, 1))[0].path.parent
    for name in ("holiday.zip.partial", "events-2026-02.partial"):
        (folder / name).write_bytes(b"begun")

    kept.archive()

    assert [one.name for one in folder.glob("*.partial")] == ["holiday.zip.partial"]


def test_rows_that_hide_where_archived_ones_stood_are_found(kept: Kept) -> None:
    kept.live()
    kept.archive()
    columns = "originator_version, topic, state, account_id, recorded_at, metadata"
    kept.examined.tamper(
        f"INSERT INTO stored_events (notification_id, originator_id, {columns})"
        f" SELECT 2, gen_random_uuid(), {columns} FROM stored_events LIMIT 1"
    )

    assert "archive" in {one.where for one in kept.verify().findings}


def test_the_seals_go_with_the_events(kept: Kept) -> None:
    kept.live()
    first, *_ = kept.archive()

    lines = kept.examined.file.read_bytes().splitlines(keepends=True)
    assert first.seals_path.read_bytes() == b"".join(lines[: len(first.seals_path.read_bytes().splitlines())])


def test_a_proof_of_an_archived_event_holds(kept: Kept) -> None:
    from infrastructure.sealing.opening import open_seal_desk
    from infrastructure.sealing.proofs import check, encode_proof

    kept.live()
    with open_seal_desk(kept.url) as desk:
        before = desk.prove(3)
    kept.archive()

    with open_seal_desk(kept.url) as desk:
        assert desk.position_of(ANN, 1) == 1
        proof = desk.prove(3)

    assert encode_proof(proof) == encode_proof(before)
    check(encode_proof(proof))


def test_a_second_archive_goes_on_with_the_numbers(kept: Kept) -> None:
    kept.live()
    kept.archive(date(2026, 2, 1))
    kept.archive(date(2026, 3, 1))

    with connect(kept.url, application="test") as connection:
        assert [one.number for one in all_months(connection)] == [1, 2]


@pytest.mark.parametrize(
    "function", ["refuse_change_of_log", "require_true_archive", "refuse_archived_again"]
)
def test_a_function_that_is_not_ours_behind_a_trigger_is_a_finding(kept: Kept, function: str) -> None:
    kept.live()
    with kept.examined.superuser() as connection:
        connection.execute(
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql"
            " AS $$BEGIN RETURN NULL; /* RAISE EXCEPTION */ END$$".encode()
        )

    (finding,) = wrong(kept.verify())

    assert finding[0] == "guards"
    assert "is missing or switched off" in finding[1]
