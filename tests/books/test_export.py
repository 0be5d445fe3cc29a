"""Exports: the same bytes for the same days as known at the same moment, in every format, for whole or part."""

import csv
import io
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from pyarrow import BufferReader, parquet

from application import commands as c
from application.errors import ReadTableMustReachPosition
from domain.aggregate import EventRef
from domain.errors import AccountMustExist, InstantMustBeWellFormed
from infrastructure.books.exporting import Format
from infrastructure.books.scope import Wanted
from infrastructure.projecting.rebuilding import rebuild
from projections.catalogue import BY_NAME
from tests.books.story import Two
from tests.books.test_checking import append, run
from tests.books.tools import Tools
from tests.projecting.worked import START

D = Decimal
DAY = START.date()
FORMATS: tuple[Format, ...] = get_args(Format)


@pytest.fixture
def two(database: Any) -> Iterator[Two]:
    shop = Two(database.app_url).live()
    shop.project()
    yield shop
    shop.close()


def go_on(two: Two) -> None:
    """What happens after an export: trades, settlement, a correction of the past, a rebuilt table."""
    two.next_day(two.ann, two.bob)
    two.trade(two.ann, "sell", "XYZ", "3", "51.00")
    two.trade(two.bob, "buy", "AAPL", "1", "99.99")
    two.do(c.Deposit(account_id=two.bob, transfer_id=uuid4(), amount=D("7.00")))
    append(
        two,
        "Account.Deposited",
        effective_on=DAY,
        corrects=EventRef(originator_id=two.ann, originator_version=2),
    )
    rebuild(two.url, BY_NAME["journal"])


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_days_as_known_at_the_same_moment_are_the_same_bytes(two: Two, form: Format) -> None:
    moment = two.time
    two.time += timedelta(seconds=1)  # while it lasts, something may still happen in it
    asked = [
        Wanted(known_at=moment),
        Wanted(known_at=moment, account_id=two.ann),
        Wanted(known_at=moment, since=DAY + timedelta(days=1), until=DAY + timedelta(days=2)),
        Wanted(known_at=START + timedelta(days=1)),
    ]
    first = [two.books(form, wanted) for wanted in asked]
    assert first[0] == two.books(form)

    go_on(two)

    assert [two.books(form, wanted) for wanted in asked] == first
    assert two.books(form) != first[0]


@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_a_correction_is_dated_when_it_was_recorded(
    two: Two, tools: Tools, tmp_path: Path, form: Format
) -> None:
    go_on(two)

    written = two.books(form).decode()

    today = two.time.date()
    assert f"{today} * " in written
    said = f"effective: {DAY}" if form == "beancount" else f"effective:{DAY}"
    assert written.count(said) == 2  # in two books
    assert f"{two.ann}:2" in written
    tools.require(form, two.write(tmp_path, form))


@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_what_counts_to_an_earlier_day_stands_there(
    two: Two, tools: Tools, tmp_path: Path, form: Format
) -> None:
    two.next_day(days=2)
    position = append(two, "Account.Deposited", effective_on=DAY + timedelta(days=1))

    written = two.books(form).decode()

    link = f"^E{position}" if form == "beancount" else f"(E{position})"
    (line,) = [line for line in written.splitlines() if link.strip("()") in line and "C:Deposited" in line][
        :1
    ]
    assert line.startswith(str(DAY + timedelta(days=1)))
    tools.require(form, two.write(tmp_path, form))
    tools.require(form, two.write(tmp_path, form, Wanted(since=DAY + timedelta(days=2))))


def rows_in(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode())))


def test_csv_and_parquet_hold_the_same_rows_and_balance(two: Two) -> None:
    rows = rows_in(two.books("csv"))
    table = parquet.read_table(BufferReader(two.books("parquet"))).to_pylist()

    sums: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for row in rows:
        unit = "USD" if row["cost"] else row["commodity"]
        sums[row["log_position"], row["book"], unit] += D(row["cost"] or row["amount"])
    assert set(sums.values()) == {D(0)}
    assert [D(row["amount"]) for row in rows] == [row["amount"] for row in table]
    assert [row["account"] for row in rows] == [row["account"] for row in table]
    assert [row["lot_id"] or None for row in rows] == [row["lot_id"] for row in table]
    assert [row["recorded_at"] for row in rows] == [row["recorded_at"].isoformat() for row in table]


def test_opening_rows_bring_what_came_before(two: Two) -> None:
    later = DAY + timedelta(days=2)

    def balances(**asked: Any) -> dict[str, Decimal]:
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in rows_in(two.books("csv", Wanted(**asked))):
            sums[row["account"] + row["lot_id"]] += D(row["amount"])
        return {name: amount for name, amount in sums.items() if amount}

    assert balances(since=later) == balances()
    assert balances(since=later, until=later) == balances(until=later)


def test_a_span_that_ends_before_it_begins_and_a_moment_to_come_are_refused(two: Two) -> None:
    for wanted in (
        Wanted(since=DAY, until=DAY - timedelta(days=1)),
        Wanted(known_at=two.time + timedelta(seconds=1)),
    ):
        with pytest.raises(InstantMustBeWellFormed):
            two.books("csv", wanted)
    with pytest.raises(AccountMustExist):
        two.books("csv", Wanted(account_id=uuid4()))


def test_tables_that_do_not_get_there_in_time_are_not_waited_for_for_ever(two: Two) -> None:
    two.do(c.Deposit(account_id=two.ann, transfer_id=uuid4(), amount=D("1.00")))

    with pytest.raises(ReadTableMustReachPosition):
        two.books("beancount")


def test_an_empty_ledger_is_an_empty_file(two: Two, tools: Tools, tmp_path: Path) -> None:
    before = START - timedelta(days=1)
    assert rows_in(two.books("csv", Wanted(known_at=before))) == []
    for form in ("beancount", "hledger"):
        tools.require(form, two.write(tmp_path, form, Wanted(known_at=before)))  # type: ignore[arg-type]


# The command.


def daybook(two: Two, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", *arguments],
        env={**os.environ, "DAYBOOK_DATABASE_URL": two.url, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        timeout=120,
    )


def test_the_command_writes_the_file_and_tells_how_far_it_is(two: Two, tmp_path: Path) -> None:
    file = tmp_path / "books.beancount"
    moment = two.time.astimezone(UTC).isoformat()

    done = daybook(two, "export", "--format", "beancount", "--as-known-at", moment, "--output", str(file))

    assert (done.returncode, done.stdout) == (0, b"")
    assert b"log positions" in done.stderr
    assert file.read_bytes() == two.books("beancount")
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    piped = daybook(
        two, "export", "--format", "csv", "--account", str(two.ann), "--from", str(DAY), "--to", str(DAY)
    )
    assert piped.stdout == two.books("csv", Wanted(account_id=two.ann, since=DAY, until=DAY))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--account", str(uuid4())),
        ("--as-known-at", "2999-01-01T00:00:00Z"),
        ("--as-known-at", "yesterday"),
        ("--from", "2026-03-02", "--to", "2026-03-01"),
        ("--output", "/nowhere/at/all"),
    ],
)
def test_the_command_refuses_in_one_line(two: Two, arguments: tuple[str, ...]) -> None:
    done = daybook(two, "export", "--format", "csv", *arguments)

    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert done.stdout == b""


def test_the_check_ends_with_what_it_found(two: Two) -> None:
    sound = daybook(two, "check", "books")
    run(two, "UPDATE read.balances SET held = held + 1 WHERE account_id = %s", two.ann)
    off = daybook(two, "check", "books", "--json")

    assert (sound.returncode, off.returncode) == (0, 1)
    assert sound.stdout.startswith(b"ok: ")
    assert str(two.ann).encode() in off.stdout
