"""Reversals and corrections over HTTP and on the command line, on a running Daybook."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.running import Market, Running, executing, order, refused, until

REVERSALS, CORRECTIONS = "/api/v1/admin/reversals", "/api/v1/admin/corrections"
WHY = "entered twice"
TEN_AT_MARKET = order(type="market", limit_price=None)


@pytest.fixture(scope="module")
def executor(running: Running, market: Market) -> Iterator[None]:
    with executing(running.settings):
        with closing(running.customer("10000.00")) as first:  # until the executor has come up
            placed = first.post("/api/v1/orders", json=TEN_AT_MARKET).json()["order_id"]
            until(lambda: first.get(f"/api/v1/orders/{placed}").json()["status"] == "filled")
        yield


@pytest.fixture
def bought(customer: httpx.Client, executor: None) -> dict[str, Any]:
    """An order of ten shares that was filled at 100.10."""
    found = customer.post("/api/v1/orders", json=TEN_AT_MARKET, headers={"Prefer": "wait=10"}).json()
    read: dict[str, Any] = customer.get(f"/api/v1/orders/{found['order_id']}").json()
    assert read["status"] == "filled"
    return read


def daybook(running: Running, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", "correct", *words],
        env={**os.environ, **running.settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def deposited(customer: httpx.Client, amount: str = "250.00") -> int:
    """The log position of a deposit."""
    answer = customer.post("/api/v1/wallet/deposit", json={"amount": amount})
    assert answer.status_code == 201
    position: int = answer.json()["log_position"]
    return position


def cash(customer: httpx.Client, answer: httpx.Response | int) -> str:
    position = answer if isinstance(answer, int) else answer.json()["log_position"]
    read = customer.get("/api/v1/wallet/balance", params={"min_position": position})
    assert read.status_code == 200, read.text
    found: str = read.json()["cash"]
    return found


def test_a_deposit_is_reversed_and_its_customer_sees_it(staff, customer):
    position = deposited(customer)

    answer = staff["admin"].post(REVERSALS, json={"log_position": position, "reason": WHY})

    assert answer.status_code == 200, answer.text
    assert answer.json()["cash"] == cash(customer, answer) == "10000.00"
    first = customer.get("/api/v1/wallet/transactions").json()["items"][0]
    assert (first["type"], first["amount"]) == ("reversal", "-250.00")
    assert WHY in first["text"]


def test_a_reversal_is_done_once_also_when_it_is_sent_again(staff, customer):
    body = {"log_position": deposited(customer), "reason": WHY}
    key = {"Idempotency-Key": str(uuid4())}
    once, again = (staff["admin"].post(REVERSALS, json=body, headers=key) for _ in range(2))
    assert once.json() == again.json()

    refused(staff["admin"].post(REVERSALS, json=body), 409, "event_must_not_be_reversed")


def test_a_deposit_is_corrected(staff, customer):
    body = {"log_position": deposited(customer), "reason": WHY, "amount": "205.00"}

    answer = staff["admin"].post(CORRECTIONS, json=body)

    assert cash(customer, answer) == "10205.00"


def test_an_execution_is_reversed_as_a_whole(staff, customer, bought):
    (execution,) = bought["executions"]

    answer = staff["admin"].post(REVERSALS, json={"log_position": execution["log_position"], "reason": WHY})

    assert cash(customer, answer) == "10000.00"
    found = {"min_position": answer.json()["log_position"]}
    read = customer.get(f"/api/v1/orders/{bought['order_id']}", params=found).json()
    assert (read["filled_quantity"], read["busted_quantity"]) == ("0.000000", "10.000000")
    assert read["executions"][0]["reversed_at"] is not None
    assert customer.get("/api/v1/portfolio/positions", params=found).json()["items"] == []


def test_an_execution_is_corrected(staff, customer, bought):
    (execution,) = bought["executions"]
    body = {"log_position": execution["log_position"], "reason": WHY, "price": "99.00", "quantity": "8"}

    answer = staff["admin"].post(CORRECTIONS, json=body)

    assert cash(customer, answer) == "9208.00"
    found = {"min_position": answer.json()["log_position"]}
    read = customer.get(f"/api/v1/orders/{bought['order_id']}", params=found).json()
    assert (read["filled_quantity"], read["average_price"]) == ("8.000000", "99.0000")
    wrong, right = read["executions"]
    assert (wrong["is_correction"], right["is_correction"]) == (False, True)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"log_position": 2**40}, 404, "event_must_exist"),
        ({"log_position": 1}, 409, "event_must_be_reversible"),
        ({"log_position": 0}, 400, "request_must_be_well_formed"),
        ({}, 400, "request_must_be_well_formed"),
    ],
)
def test_what_cannot_be_reversed_is_refused(staff, somebody, body, status, code):
    refused(staff["admin"].post(REVERSALS, json={"reason": WHY, **body}), status, code)


@pytest.mark.parametrize("body", [{}, {"amount": "1.00", "price": "1.00"}])
def test_a_correction_is_of_an_amount_or_of_an_execution(staff, customer, body):
    whole = {"reason": WHY, "log_position": deposited(customer), **body}
    refused(staff["admin"].post(CORRECTIONS, json=whole), 400, "request_must_be_well_formed")


def test_only_an_admin_corrects(staff, customer):
    body = {"log_position": 1, "reason": WHY}
    refused(staff["compliance"].post(REVERSALS, json=body), 403, "role_must_allow")
    refused(customer.post(CORRECTIONS, json={**body, "amount": "1.00"}), 403, "role_must_allow")


def test_the_command_line_reverses_and_corrects(running, customer, bought):
    (execution,) = bought["executions"]
    first, second = deposited(customer), deposited(customer)

    reversed_ = daybook(running, "reverse", str(first), "--reason", WHY)
    corrected = daybook(running, "amount", str(second), "--amount", "50.00", "--reason", WHY, "--json")
    traded = daybook(running, "execution", execution["execution_id"], "--price", "100.00", "--reason", WHY)

    assert reversed_.stdout.startswith("Reversed at log position"), reversed_.stderr
    assert json.loads(corrected.stdout)["cash"] == "9049.00"
    assert traded.stdout.startswith("Corrected at log position"), traded.stderr
    assert "9050.00 in cash" in traded.stdout


def test_the_command_line_refuses_in_one_line(running, customer):
    twice = [daybook(running, "reverse", str(deposited(customer)), "--reason", WHY) for _ in range(1)]
    unknown = daybook(running, "reverse", str(2**40), "--reason", WHY)
    nobody = daybook(running, "execution", str(uuid4()), "--price", "1", "--reason", WHY)

    assert twice[0].returncode == 0
    for said in (unknown, nobody):
        assert (said.returncode, said.stdout, len(said.stderr.splitlines())) == (2, "", 1)
        assert "(event_must_exist)" in said.stderr
