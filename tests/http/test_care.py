"""Verifying, trying again and repairing over HTTP, by staff."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from infrastructure.postgres.connections import connect
from tests.http.running import Running, refused, until

Staff = dict[str, httpx.Client]
BASE = "/api/v1/admin/projections"


@pytest.fixture
def account_id(running: Running) -> UUID:
    """A customer's account with five dollars, folded."""
    email, registered = running.register()
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        assert customer.post("/api/v1/wallet/deposit", json={"amount": "5.00"}).status_code == 201
        assert customer.get("/api/v1/wallet/balance").json()["cash"] == "5.00"
    return UUID(registered["account_id"])


def _ended(admin: httpx.Client, url: str) -> Any:
    job = admin.get(url).json()
    return job if job["finished_at"] else None


def _verified(admin: httpx.Client, **asked: Any) -> Any:
    begun = admin.post(f"{BASE}/verify", json=asked)
    assert begun.status_code == 202, begun.text
    return until(lambda: _ended(admin, begun.headers["location"]))


def test_a_verification_is_a_job_that_tells_what_it_found(staff: Staff, account_id: UUID) -> None:
    job = _verified(staff["admin"], names=["balances", "orders"], rows=True)

    assert (job["work"], job["state"], job["error"], job["is_right"]) == ("verify", "done", None, True)
    assert [one["name"] for one in job["verified"]] == ["balances", "orders"]
    assert all(one["rows_compared"] is not None and one["table_hash"] for one in job["verified"])


def test_a_wrong_row_is_found_and_repaired(running: Running, staff: Staff, account_id: UUID) -> None:
    admin = staff["admin"]
    with connect(running.settings.database_url or "", application="test") as connection:
        connection.execute("UPDATE read.balances SET cash = 1 WHERE account_id = %s", (account_id,))

    wrong = _verified(admin, names=["balances"], rows=True)
    mended = admin.post(f"{BASE}/balances/repair", json={"account_id": str(account_id)})
    right = _verified(admin, names=["balances"], rows=True)

    assert (wrong["is_right"], right["is_right"]) == (False, True)
    assert "cash is 1, must be 5" in wrong["verified"][0]["first_difference"]
    assert mended.status_code == 200
    assert mended.json()["name"] == "balances"
    assert (mended.json()["rows_before"], mended.json()["differences"]) == (1, 2)


def test_a_parked_account_goes_on(running: Running, staff: Staff, account_id: UUID) -> None:
    admin = staff["admin"]
    with _parked(running, account_id):
        found = admin.post(f"{BASE}/retry", json={"names": ["orders"], "account_id": str(account_id)})
        again = admin.post(f"{BASE}/retry", json={})

    assert found.json() == [{"name": "orders", "account_id": str(account_id), "events": 0, "error": None}]
    assert (again.status_code, again.json()) == (200, [])


@contextmanager
def _parked(running: Running, account_id: UUID) -> Iterator[None]:
    """As if something that is not there yet could not be folded."""
    with connect(running.settings.database_url or "", application="test") as connection:
        connection.execute(
            "INSERT INTO projection_parked (name, generation, account_id, position, topic, error)"
            " SELECT name, generation, %s, (SELECT max(notification_id) + 1 FROM stored_events), 'x', 'x'"
            " FROM projection_generations WHERE name = 'orders' AND state = 'live'",
            (account_id,),
        )
        yield
        connection.execute("DELETE FROM projection_parked")


def test_what_cannot_be_is_refused(staff: Staff, account_id: UUID) -> None:
    admin = staff["admin"]
    someone = {"account_id": str(uuid4())}

    refused(admin.post(f"{BASE}/verify", json={"names": ["nothing"]}), 404, "projection_must_exist")
    refused(admin.post(f"{BASE}/retry", json={"names": ["nothing"]}), 404, "projection_must_exist")
    refused(admin.post(f"{BASE}/nothing/repair", json=someone), 404, "projection_must_exist")
    refused(admin.post(f"{BASE}/balances/repair", json={}), 400, "request_must_be_well_formed")
    refused(staff["compliance"].post(f"{BASE}/verify", json={}), 403, "role_must_allow")


def test_a_verification_cannot_be_paused(staff: Staff, account_id: UUID) -> None:
    begun = staff["admin"].post(f"{BASE}/verify", json={"names": ["holders"]})

    refused(staff["admin"].post(f"{begun.headers['location']}/pause"), 404, "rebuild_must_be_under_way")
