"""The past of an account: two times, what made each number; over HTTP and on the command line."""

import json
import os
import subprocess
import sys
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from tests.http.running import Running, refused

AS_OF = "/api/v1/account/as-of"


@pytest.fixture(scope="module")
def lived(running: Running) -> Any:
    """An account with two deposits: its id, the first one's answer, a client of its customer and one of staff."""
    email, ids = running.register()
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        answers = [
            customer.post("/api/v1/wallet/deposit", json={"amount": amount}).json()
            for amount in ("7.00", "5.00")
        ]
        yield ids["account_id"], [answer["log_position"] for answer in answers], customer


def daybook(running: Running, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", *words],
        env={**os.environ, **running.settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_a_moment_may_be_told_twice(lived: Any) -> None:
    _, (first, second), customer = lived
    stood = customer.get(AS_OF, params={"log_position": first}).json()
    then = stood["recorded_at"]

    both = customer.get(AS_OF, params={"effective_at": then, "log_position": second}).json()
    day = customer.get(AS_OF, params={"effective_at": then[:10], "log_position": second}).json()
    known = customer.get(AS_OF, params={"known_at": then}).json()

    assert (both["cash"], both["log_position"]) == ("7.00", first)
    assert both["effective_at"] == then
    assert (day["cash"], known) == ("12.00", stood)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"effective_at": "2026-01-01"},
        {"log_position": 1, "known_at": "2026-01-01T00:00:00Z"},
        {"at": "2026-01-01T00:00:00Z", "known_at": "2026-01-01T00:00:00Z"},
        {"log_position": 1, "effective_at": "2026-13-01"},
    ],
)
def test_what_is_no_moment_is_refused(lived: Any, asked: dict[str, Any]) -> None:
    refused(lived[2].get(AS_OF, params=asked), 422, "instant_must_be_well_formed")


def test_before_the_account_counted_there_was_none(lived: Any) -> None:
    asked = {"log_position": lived[1][1], "effective_at": "1999-01-01"}
    refused(lived[2].get(AS_OF, params=asked), 404, "moment_must_be_within_the_accounts_life")


def test_every_number_names_its_events(lived: Any) -> None:
    _, (first, second), customer = lived

    then = customer.get(AS_OF, params={"log_position": second, "explain": "true"}).json()

    assert then["lineage"]["cash"] == [
        {"log_position": first, "event": "Account.Deposited", "amount": "7.00"},
        {"log_position": second, "event": "Account.Deposited", "amount": "5.00"},
    ]
    assert "lineage" not in customer.get(AS_OF, params={"log_position": second}).json()


def test_the_command_line_says_the_same(running: Running, lived: Any) -> None:
    account_id, (_, second), customer = lived
    asked = {"log_position": second, "explain": "true"}

    words = ("replay", account_id, "--log-position", str(second), "--format", "json", "--explain")
    found = [daybook(running, *words, *how) for how in ((), ("--whole-log",))]

    assert [one.returncode for one in found] == [0, 0], found[0].stderr
    assert found[0].stdout == found[1].stdout == customer.get(AS_OF, params=asked).text + "\n"


def test_people_get_a_table_and_accountants_a_file(running: Running, lived: Any) -> None:
    account_id, (first, second), customer = lived
    then = customer.get(AS_OF, params={"log_position": first}).json()["recorded_at"]

    table = daybook(running, "replay", account_id, "--at", then, "--log-position", str(second), "--explain")
    assert table.returncode == 0, table.stderr
    assert "cash                     7.00\n" in table.stdout
    assert f"+7.00  at {first}  Account.Deposited" in table.stdout
    file = daybook(running, "replay", account_id, "--log-position", str(second), "--format", "beancount")
    assert f"  Assets:Cust:C{account_id}:Cash:Free   12.00 USD\n" in file.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--at", "1999-01-01"], 1, "moment_must_be_within_the_accounts_life"),
        ([], 2, "is needed"),
        (["--at", "yesterday"], 2, "is not a moment"),
        (["--known-at", "2026-01-01", "--log-position", "3"], 2, "not both"),
        (["--log-position", "999999999"], 2, "the log ends at"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    running: Running, lived: Any, words: list[str], code: int, said: str
) -> None:
    found = daybook(running, "replay", lived[0], *words)

    assert (found.returncode, found.stdout) == (code, "")
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_an_account_that_is_not_there_cannot_be_replayed(running: Running) -> None:
    found = daybook(running, "replay", str(uuid4()), "--log-position", "1")

    assert (found.returncode, found.stderr.startswith("daybook: there is no account")) == (2, True)


def test_staff_see_what_changed_and_by_which_events(running: Running, staff: Any, lived: Any) -> None:
    account_id, (first, second), _ = lived
    url = f"/api/v1/compliance/accounts/{account_id}/difference"

    found = staff["compliance"].get(url, params={"from": first, "to": second})

    assert found.status_code == 200, found.text
    cash = next(one for one in found.json()["changes"] if one["field"] == "cash")
    assert cash == {"field": "cash", "before": "7.00", "after": "12.00", "changed_by": [second]}
    words = ("replay", account_id, "--log-position", str(first), "--compare", str(second))
    assert daybook(running, *words, "--format", "json").stdout == found.text + "\n"
    assert f"cash: 7.00 -> 12.00\n    by {second} Account.Deposited" in daybook(running, *words).stdout
    before = staff["compliance"].get(url, params={"from": "1999-01-01", "to": second})
    refused(before, 404, "moment_must_be_within_the_accounts_life")
    refused(
        staff["compliance"].get(url, params={"from": second, "to": first}), 422, "instant_must_be_well_formed"
    )
    refused(lived[2].get(url, params={"from": first, "to": second}), 403, "role_must_allow")


@pytest.mark.parametrize(
    "words", [["--at", "2026-01-01", "--known-at", "2026-01-01"], ["--log-position", "1", "--explain"]]
)
def test_a_comparison_that_is_not_clear_is_refused(running: Running, lived: Any, words: list[str]) -> None:
    found = daybook(running, "replay", lived[0], *words, "--compare", "3")

    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (2, "", 1)


def test_staff_walk_through_an_order(running: Running, staff: Any, lived: Any) -> None:
    body = {"symbol": "AAPL", "side": "buy", "type": "limit", "quantity": "1", "limit_price": "1.00"}
    order = lived[2].post("/api/v1/orders", json=body).json()["order_id"]

    found = staff["compliance"].get(f"/api/v1/compliance/orders/{order}/walk")

    assert found.status_code == 200, found.text
    held = found.json()["steps"][0]
    assert (held["event"], held["before"]["held"], held["after"]["held"]) == (
        "Account.FundsHeld",
        "0.00",
        "1.00",
    )
    told = json.loads(daybook(running, "walk", order, "--json").stdout)
    assert told["steps"][: len(found.json()["steps"])] == found.json()["steps"]
    assert "Order.Placed" in daybook(running, "walk", order).stdout
    refused(staff["compliance"].get(f"/api/v1/compliance/orders/{uuid4()}/walk"), 404, "order_must_exist")
    nobody = daybook(running, "walk", str(uuid4()))
    assert (nobody.returncode, nobody.stderr.startswith("daybook: there is no order")) == (2, True)
