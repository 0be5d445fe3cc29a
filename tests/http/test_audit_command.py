"""`daybook audit`: an examiner's questions from the command line."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from pyarrow import parquet

from infrastructure.settings import Settings
from tests.http.running import Market, Running, order, refused, until

Staff = dict[str, httpx.Client]


def daybook(settings: Settings, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", *map(str, words)],
        env={**os.environ, **settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def searched(settings: Settings, *words: object) -> dict[str, object]:
    """What `daybook audit search --json` says."""
    asked = daybook(settings, "audit", "search", "--json", *words)
    assert (asked.returncode, asked.stderr) == (0, "")
    page: dict[str, object] = json.loads(asked.stdout)
    return page


@pytest.fixture
def traded(running: Running, market: Market, customer: httpx.Client) -> dict[str, str]:
    """A customer who has placed an order, been refused one, and been looked at by an operator."""
    placed = customer.post("/api/v1/orders", json=order(quantity="3")).json()
    refused(customer.post("/api/v1/orders", json=order(symbol="NOPE")), 422, "symbol_must_be_listed")
    too_dear = customer.post("/api/v1/orders", json=order(quantity="100000"))
    refused(too_dear, 422, "available_cash_must_cover_order")
    position = customer.get("/api/v1/wallet/balance").headers["daybook-position"]
    as_of = customer.get("/api/v1/account/as-of", params={"log_position": position}).json()
    account_id = as_of["account_id"]
    looked = daybook(running.settings, "replay", account_id, "--log-position", position)
    assert looked.returncode == 0, looked.stderr
    items = "items"
    until(lambda: len(searched(running.settings, "--account", account_id, "--kind", "refused")[items]) == 1)  # type: ignore[arg-type]
    rejected = too_dear.json()["order_id"]
    until(lambda: searched(running.settings, "--order", rejected, "--type", "Order.Rejected")[items])
    return {"account_id": account_id, "order_id": placed["order_id"]}


def test_an_examiner_asks_who_looked_at_an_account_and_what_was_refused(
    running: Running, traded: dict[str, str]
) -> None:
    today = datetime.now(UTC).date()
    span = ("--account", traded["account_id"], "--from", today, "--to", today)

    looked = daybook(
        running.settings, "audit", "search", *span, "--kind", "look_up", "--type", "daybook replay"
    )
    (line,) = looked.stdout.splitlines()[1:]
    assert "system operator" in line
    assert f"daybook replay {traded['account_id']} --log-position" in line

    told = daybook(running.settings, "audit", "search", *span, "--kind", "refused")
    assert "[symbol_must_be_listed]" in told.stdout
    assert "127.0.0.1" in told.stdout

    both = daybook(running.settings, "audit", "search", *span, "--refused")
    assert "[symbol_must_be_listed]" in both.stdout
    assert "[available_cash_must_cover_order]" in both.stdout

    nothing = daybook(running.settings, "audit", "search", "--account", uuid4(), "--kind", "refused")
    assert nothing.stdout.splitlines()[1:] == ["Nothing was found."]


def test_pages_by_their_cursor_are_the_whole(running: Running, traded: dict[str, str]) -> None:
    sought = ("--account", traded["account_id"], "--kind", "event")
    whole = searched(running.settings, *sought)["items"]
    assert isinstance(whole, list)
    pages: list[object] = []
    cursor: object = None
    while not pages or cursor:
        page = searched(running.settings, *sought, "--limit", 2, *(("--cursor", cursor) if cursor else ()))
        pages += page["items"]  # type: ignore[misc]
        cursor = page["next_cursor"]
    assert pages == whole
    assert len(whole) >= 4

    shown = daybook(running.settings, "audit", "search", *sought, "--limit", 1)
    assert shown.stderr.startswith("There is more: --cursor ")


@pytest.mark.parametrize("wanted", ["csv", "jsonl", "parquet"])
def test_a_file_is_what_the_search_finds(
    running: Running, traded: dict[str, str], tmp_path: Path, wanted: str
) -> None:
    sought = ("--account", traded["account_id"], "--kind", "event")
    path = tmp_path / f"audit.{wanted}"

    written = daybook(running.settings, "audit", "export", "--format", wanted, *sought, "--output", path)

    assert written.returncode == 0, written.stderr
    assert "audit: " in written.stderr
    whole = searched(running.settings, *sought)["items"]
    if wanted == "jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows == whole
    else:
        text = io.StringIO(path.read_text() if wanted == "csv" else "")
        rows = list(csv.DictReader(text)) if wanted == "csv" else parquet.read_table(path).to_pylist()
        assert [str(row["log_position"]) for row in rows] == [str(one["log_position"]) for one in whole]  # type: ignore[attr-defined]
    exports = searched(running.settings, "--kind", "export", "--account", traded["account_id"])["items"]
    assert exports[0]["topic"] == "daybook audit export"  # type: ignore[index]


def test_the_report_of_a_day(running: Running, traded: dict[str, str]) -> None:
    day = datetime.now(UTC).astimezone(ZoneInfo("America/New_York")).date()
    told = daybook(running.settings, "audit", "cat", "--date", day)
    assert told.returncode == 0, told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [each["type"] for each in lines if each.get("orderID") == traded["order_id"]] == ["MENO"]
    assert daybook(running.settings, "audit", "cat", "--date", "1999-01-04").stdout == ""


def test_an_operators_act_is_found_without_what_it_was_given(running: Running, staff: Staff) -> None:
    made = daybook(
        *(running.settings, "users", "create", "--email", "hidden@example.com", "--full-name", "Greta Garbo"),
        *("--role", "compliance", "--password", "a secret of twenty"),
    )
    assert made.returncode == 0, made.stderr

    page = searched(running.settings, "--actor", "operator", "--type", "daybook users create")

    (act, *_) = page["items"]  # type: ignore[misc]
    assert (act["kind"], act["role"]) == ("act", "system")  # type: ignore[index]
    for secret in ("hidden", "Garbo", "secret", "compliance"):
        assert secret not in json.dumps(page)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("search", "--cursor", "x"), "cursor"),
        (("search", "--from", "yesterday"), "yesterday"),
        (("search", "--symbol", "a b"), "ticker"),
        (("export", "--format", "csv", "--output", "/nowhere/at/all.csv"), "cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_code_2(
    running: Running, words: tuple[str, ...], says: str
) -> None:
    said = daybook(running.settings, "audit", *words)
    assert said.returncode == 2
    assert says in said.stderr
    assert said.stderr.count("\n") == 1


def test_nothing_is_done_that_cannot_be_written_down(running: Running, tmp_path: Path) -> None:
    away = {"DAYBOOK_DATABASE_URL": f"postgresql://nobody@/nothing?host={tmp_path}"}
    said = subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", "audit", "search"],
        env={**os.environ, **running.settings.as_environment(), **away},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("daybook: the database does not answer")
