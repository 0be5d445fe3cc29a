"""What compliance and admins see and do."""

from contextlib import closing
from uuid import uuid4

import httpx
import pytest

from tests.http.running import Running, refused, until

Staff = dict[str, httpx.Client]


def test_the_audit_names_who_did_what_and_from_where(running: Running, staff: Staff) -> None:
    email, ids = running.register()
    request_id, correlation_id = str(uuid4()), str(uuid4())
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        headers = {
            "X-Request-Id": request_id,
            "X-Correlation-Id": correlation_id,
            "Idempotency-Key": "k1",
            "User-Agent": "tester",
        }
        answer = customer.post("/api/v1/wallet/deposit", json={"amount": "3.00"}, headers=headers)
    position = answer.headers["daybook-position"]

    for role in ("compliance", "admin"):
        page = staff[role].get(
            "/api/v1/compliance/audit",
            params={"account_id": ids["account_id"], "kind": "event", "min_position": position},
        )
        (newest, oldest) = page.json()["items"]
        assert (newest["topic"], oldest["topic"]) == ("Account.Deposited", "Account.Opened")
        assert (newest["actor"], newest["role"]) == (ids["user_id"], "customer")
        assert (newest["request_id"], newest["correlation_id"]) == (request_id, correlation_id)
        assert newest["idempotency_key"] == "k1"
        assert newest["origin_id"] is not None
        assert newest["origin_id"] != oldest["origin_id"]  # another agent
        assert (newest["address"], newest["agent"]) == ("127.0.0.1", "tester")
        assert email not in page.text


def test_the_audit_of_an_actor_comes_in_pages(running: Running, staff: Staff) -> None:
    email, ids = running.register()
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        for _ in range(3):
            answer = customer.post("/api/v1/wallet/deposit", json={"amount": "1.00"})
    position = answer.headers["daybook-position"]
    parameters = {"actor": ids["user_id"], "kind": "event", "limit": "2", "min_position": position}
    first = staff["compliance"].get("/api/v1/compliance/audit", params=parameters).json()
    second = (
        staff["compliance"]
        .get("/api/v1/compliance/audit", params={**parameters, "cursor": first["next_cursor"]})
        .json()
    )
    assert len(first["items"]) == len(second["items"]) == 2
    assert second["next_cursor"] is None
    positions = [each["log_position"] for each in first["items"] + second["items"]]
    assert positions == sorted(positions, reverse=True)


@pytest.mark.parametrize("query", ["account_id=x", "actor=%00", "actor=", "limit=0"])
def test_an_ill_formed_question_to_the_audit_is_refused(staff: Staff, query: str) -> None:
    refused(staff["compliance"].get(f"/api/v1/compliance/audit?{query}"), 400, "request_must_be_well_formed")


def test_compliance_sees_any_account_as_it_stood(running: Running, staff: Staff) -> None:
    email, ids = running.register()
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        position = customer.post("/api/v1/wallet/deposit", json={"amount": "7.00"}).json()["log_position"]
    url = f"/api/v1/compliance/accounts/{ids['account_id']}/as-of"
    assert staff["compliance"].get(url, params={"log_position": position}).json()["cash"] == "7.00"
    assert staff["admin"].get(url, params={"log_position": position - 1}).json()["cash"] == "0.00"
    nobody = f"/api/v1/compliance/accounts/{uuid4()}/as-of?log_position=1"
    refused(staff["admin"].get(nobody), 404, "account_must_exist")


def test_an_admin_suspends_reinstates_and_closes(running: Running, staff: Staff) -> None:
    email, ids = running.register()
    admin, url = staff["admin"], f"/api/v1/admin/accounts/{ids['account_id']}"
    with closing(running.client(running.log_in(email)["access_token"])) as customer:
        customer.post("/api/v1/wallet/deposit", json={"amount": "7.00"})

        assert admin.post(f"{url}/suspend", json={"reason": "papers missing"}).json()["status"] == "suspended"
        answer = customer.post("/api/v1/wallet/withdraw", json={"amount": "7.00"})
        refused(answer, 422, "account_must_be_open_for_trading")
        assert customer.get("/api/v1/wallet/balance").json()["status"] == "suspended"

        assert admin.post(f"{url}/reinstate", json={"reason": "papers came"}).json()["status"] == "open"
        refused(admin.post(f"{url}/close"), 409, "account_must_be_empty")
        assert customer.post("/api/v1/wallet/withdraw", json={"amount": "7.00"}).status_code == 201
        assert admin.post(f"{url}/close").json()["status"] == "closed"
        refused(
            customer.post("/api/v1/wallet/deposit", json={"amount": "1"}), 409, "account_must_not_be_closed"
        )


@pytest.mark.parametrize("reason", ["", " ", "a\x00b", "x" * 501, None, 5])
def test_a_suspension_needs_a_reason_that_can_be_kept(staff: Staff, reason: object) -> None:
    answer = staff["admin"].post(f"/api/v1/admin/accounts/{uuid4()}/suspend", json={"reason": reason})
    assert refused(answer, 400, "request_must_be_well_formed")["pointer"] == "#/reason"


def test_an_account_that_is_not_there_cannot_be_suspended(staff: Staff) -> None:
    answer = staff["admin"].post(f"/api/v1/admin/accounts/{uuid4()}/suspend", json={"reason": "x"})
    refused(answer, 404, "account_must_exist")


def test_read_tables_are_rebuilt_while_everything_goes_on(running: Running, staff: Staff) -> None:
    admin = staff["admin"]
    names = {each["name"] for each in admin.get("/api/v1/admin/projections").json()}
    assert {"balances", "orders", "audit"} <= names

    started = admin.post("/api/v1/admin/projections/rebuild", json={"names": ["balances"]})

    assert started.status_code == 202
    assert started.headers["location"].endswith(started.json()["job_id"])
    job = until(lambda: _finished(admin, started.headers["location"]))
    assert job["state"] == "done"
    with closing(running.customer("5.00")) as customer:
        assert customer.get("/api/v1/wallet/balance").json()["cash"] == "5.00"


def test_what_is_not_there_cannot_be_rebuilt_or_looked_at(staff: Staff) -> None:
    admin = staff["admin"]
    answer = admin.post("/api/v1/admin/projections/rebuild", json={"names": ["nothing"]})
    refused(answer, 404, "projection_must_exist")
    refused(admin.get(f"/api/v1/admin/projections/jobs/{uuid4()}"), 404, "job_must_exist")


def _finished(admin: httpx.Client, url: str) -> dict[str, object] | None:
    job: dict[str, object] = admin.get(url).json()
    return None if job["state"] == "running" else job


def test_an_as_of_that_wants_more_than_the_log_has_says_how_far_it_is(running: Running) -> None:
    customer = running.customer("1.00")
    asked = {"log_position": 1, "min_position": 10**9}

    refused = customer.get("/api/v1/account/as-of", params=asked)

    customer.close()
    assert refused.status_code == 503
    assert refused.json()["code"] == "read_table_must_reach_position"
    assert refused.json()["min_position"] == 10**9
