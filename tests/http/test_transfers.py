"""Transfers over HTTP and on the command line: at once by default, through a simulated bank when the setting says so."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import httpx
import pytest
from msgspec import structs

from infrastructure.settings import Settings
from interfaces.cli import users
from tests.http.running import PASSWORD, Running, refused, serving

DELAY = 0.5


@pytest.fixture(scope="module")
def module_settings(module_settings: Settings) -> Settings:
    return structs.replace(module_settings, funding="ach", funding_delay=DELAY)


@pytest.fixture(scope="module")
def running(module_settings: Settings) -> Iterator[Running]:
    with serving(module_settings) as found:
        yield found


@pytest.fixture
def customer(running: Running) -> Iterator[httpx.Client]:
    with closing(running.customer()) as client:
        yield client


@pytest.fixture(scope="module")
def admin(running: Running) -> Iterator[httpx.Client]:
    users.create_user(
        running.settings, email="boss@example.com", full_name="Boss", role="admin", password=PASSWORD
    )
    with closing(running.client(running.log_in("boss@example.com")["access_token"])) as client:
        yield client


def daybook(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", "transfers", *words],
        env={**os.environ, **settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def until_told(running: Running, number: int) -> None:
    """Take in the bank's news by hand until there were so many."""
    told = 0
    for _ in range(20):
        said = daybook(running.settings, "run")
        assert said.returncode == 0, said.stderr
        told += int(said.stdout.split()[0])
        if told >= number:
            return
    raise AssertionError(f"only {told} of {number} transfers had news")


def test_a_deposit_is_initiated_completed_and_returned(
    running: Running, customer: httpx.Client, admin: httpx.Client
) -> None:
    asked = customer.post("/api/v1/wallet/deposit", json={"amount": "100.00"})
    body = asked.json()
    assert (asked.status_code, body["transfer_status"], body["cash"]) == (201, "initiated", "0.00")
    transfer_id = body["transfer_id"]
    assert customer.get(f"/api/v1/transfers/{transfer_id}").json()["status"] == "initiated"
    refused(
        customer.post("/api/v1/wallet/withdraw", json={"amount": "1.00"}),
        422,
        "available_cash_must_cover_withdrawal",
    )

    until_told(running, 1)

    out = customer.post("/api/v1/wallet/withdraw", json={"amount": "30.00"}).json()
    assert (out["transfer_status"], out["cash"], out["withdrawing"]) == ("initiated", "100.00", "30.00")
    assert (out["buying_power"], out["withdrawable"]) == ("70.00", "70.00")
    returned = admin.post(f"/api/v1/admin/transfers/{transfer_id}/return", json={"reason": "not_authorized"})
    assert returned.status_code == 200, returned.text
    assert (returned.json()["status"], returned.json()["owed"]) == ("suspended", "30.00")
    again = admin.post(f"/api/v1/admin/transfers/{transfer_id}/return", json={"reason": "not_authorized"})
    assert again.json()["owed"] == "30.00"
    view = customer.get(
        f"/api/v1/transfers/{transfer_id}", params={"min_position": again.json()["log_position"]}
    ).json()
    assert (view["status"], view["reason"], view["amount"]) == ("returned", "not_authorized", "100.00")
    assert view["initiated_at"] < view["completed_at"] < view["returned_at"]
    wallet = customer.get("/api/v1/wallet/balance").json()
    assert (wallet["cash"], wallet["owed"], wallet["withdrawing"]) == ("30.00", "30.00", "30.00")
    moved = customer.get("/api/v1/wallet/transactions").json()["items"]
    assert [(one["type"], one["amount"]) for one in moved] == [
        ("deposit_returned", "-70.00"),
        ("deposit", "100.00"),
    ]


def test_transfers_come_in_pages_of_those_that_are_asked_for(customer: httpx.Client) -> None:
    ids = [
        customer.post("/api/v1/wallet/deposit", json={"amount": f"{n}.00"}).json()["transfer_id"]
        for n in range(1, 6)
    ]

    pages, cursor = [], None
    while True:
        parameters = {"limit": "2", "status": "initiated,failed"} | ({"cursor": cursor} if cursor else {})
        page = customer.get("/api/v1/transfers", params=parameters).json()
        pages.append([item["transfer_id"] for item in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    assert customer.get("/api/v1/transfers", params={"direction": "withdrawal"}).json()["items"] == []
    refused(customer.get("/api/v1/transfers?status=lost"), 400, "request_must_be_well_formed")
    refused(customer.get("/api/v1/transfers?direction=up"), 400, "request_must_be_well_formed")
    refused(customer.get("/api/v1/transfers?cursor=x"), 422, "cursor_must_be_from_a_page")


def test_strangers_see_nothing_and_may_return_nothing(
    running: Running, customer: httpx.Client, admin: httpx.Client
) -> None:
    transfer_id = customer.post("/api/v1/wallet/deposit", json={"amount": "5.00"}).json()["transfer_id"]
    with closing(running.customer()) as other:
        refused(other.get(f"/api/v1/transfers/{transfer_id}"), 404, "transfer_must_exist")
    route = f"/api/v1/admin/transfers/{transfer_id}/return"
    refused(customer.post(route, json={"reason": "x"}), 403, "role_must_allow")
    until_projected = customer.get(f"/api/v1/transfers/{transfer_id}").status_code
    assert until_projected == 200
    refused(admin.post(route, json={"reason": "x"}), 409, "transfer_must_allow")
    unknown = f"/api/v1/admin/transfers/{uuid4()}/return"
    refused(admin.post(unknown, json={"reason": "x"}), 404, "transfer_must_exist")


def test_the_command_line_lists_and_returns(running: Running, customer: httpx.Client) -> None:
    body = customer.post("/api/v1/wallet/deposit", json={"amount": "77.00"}).json()
    transfer_id = body["transfer_id"]
    account_id = customer.get(f"/api/v1/transfers/{transfer_id}").json()["account_id"]
    while customer.get(f"/api/v1/transfers/{transfer_id}").json()["status"] != "completed":
        until_told(running, 1)  # others' transfers are told as well

    listed = daybook(running.settings, "list", "--account", account_id, "--json")
    assert json.loads(listed.stdout)["transfer_id"] == transfer_id
    returned = daybook(running.settings, "return", transfer_id, "--reason", "not_authorized")
    assert (returned.returncode, returned.stderr) == (0, "")
    assert "suspended" in returned.stdout
    unknown = daybook(running.settings, "return", str(uuid4()), "--reason", "x")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "transfer_must_exist" in unknown.stderr
    assert "77.00" in daybook(running.settings, "list").stdout


def test_nothing_is_a_residue_in_an_account_that_is_open(running: Running) -> None:
    _, ids = running.register()

    said = daybook(running.settings, "send-residue", ids["account_id"])

    assert (said.returncode, said.stdout) == (2, "")
    assert "account_must_be_closed" in said.stderr
    assert "send-residue" in daybook(running.settings, "--help").stdout
