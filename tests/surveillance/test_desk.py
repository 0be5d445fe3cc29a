"""The compliance desk over HTTP and on the command line, with a real log, projector and API."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from application import commands as c
from infrastructure.surveillance.running import follower
from infrastructure.wiring.deciding import deciding
from interfaces.cli import cases as cases_command
from interfaces.cli import surveillance as surveillance_command
from tests.http.running import PASSWORD, Running, order, refused, until
from tests.projecting.worked import place, request

Staff = dict[str, httpx.Client]
CASES = "/api/v1/compliance/cases"
D = Decimal


class Customer:
    """A customer who washes, and what surveillance makes of it."""

    def __init__(self, running: Running) -> None:
        email, ids = running.register()
        self.account_id = UUID(ids["account_id"])
        self.user_id = ids["user_id"]
        self.client = running.client(running.log_in(email)["access_token"])
        assert self.client.post("/api/v1/wallet/deposit", json={"amount": "1000.00"}).status_code == 201

    def washes(self, give: Callable[[Any], Any], count: int = 11, symbol: str = "KO") -> None:
        for _ in range(count):
            for side in ("buy", "sell"):
                order_id = uuid4()
                terms = f"{side} 1 {symbol} limit"
                give(place(order_id, terms, account_id=self.account_id, limit_price=D(10)))
                give(
                    c.ExecuteOrder(
                        account_id=self.account_id,
                        order_id=order_id,
                        execution_id=uuid4(),
                        quantity=D(1),
                        price=D(10),
                        venue="SIM",
                        quote=1,
                    )
                )


@contextmanager
def washed(running: Running, *symbols: str) -> Iterator[Customer]:
    """A customer with a case for each symbol."""
    customer = Customer(running)
    with deciding(running.settings) as at_hand:

        def give(command: Any) -> Any:
            return at_hand.committer.submit(request(command)).result(10)

        for symbol in symbols or ("KO",):
            customer.washes(give, symbol=symbol)
        follower(running.settings, at_hand.committer).catch_up()
    with closing(customer.client):
        yield customer


def found(client: httpx.Client, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get(CASES, params=filters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def case_of(staff: Staff, customer: Customer) -> str:
    items = until(lambda: found(staff["eve"], account_id=str(customer.account_id)))
    return str(items[0]["case_id"])


def test_compliance_works_a_case_from_its_alert_to_its_end(running: Running, staff: Staff) -> None:
    with washed(running) as customer:
        case = f"{CASES}/{case_of(staff, customer)}"
        began = staff["eve"].get(case).json()
        assert (began["kind"], began["status"], began["symbol"]) == ("wash_trading", "open", "KO")
        assert (began["figures"]["round_trips"], len(began["evidence"])) == ("11", 22)
        eve = running.log_in("eve@daybook.example")["user"]["user_id"]

        assigned = staff["eve"].post(f"{case}/assign", json={}).json()
        again = staff["ann"].post(f"{case}/assign", json={"assignee_id": eve}).json()
        assert (assigned["status"], assigned["assignee_id"]) == ("assigned", eve)
        assert again["log_position"] >= assigned["log_position"]
        keyed = {"Idempotency-Key": "note-1"}
        for _ in range(2):  # a repetition writes nothing
            noted = staff["eve"].post(f"{case}/notes", json={"text": "the same two orders"}, headers=keyed)
            assert noted.status_code == 201
        closing_ = {"resolution": "warned", "reason": "told to stop"}
        closed = staff["eve"].post(f"{case}/close", json=closing_)
        assert closed.json()["status"] == "closed"

        row = staff["ben"].get(case, params={"min_position": str(closed.json()["log_position"])}).json()
        assert [step["step"] for step in row["steps"]] == ["opened", "blocked", "assigned", "noted", "closed"]
        assert [step["actor"] for step in row["steps"]] == ["surveillance", "surveillance", eve, eve, eve]
        assert (row["status"], row["resolution"], row["reason"]) == ("closed", "warned", "told to stop")
        assert row["blocked_until"] is not None
        for what, body in (("assign", {}), ("notes", {"text": "x"}), ("close", closing_)):
            refused(staff["eve"].post(f"{case}/{what}", json=body), 409, "case_must_be_open")


def test_cases_come_in_pages_and_are_narrowed(running: Running, staff: Staff) -> None:
    with washed(running, "KO", "IBM", "PEP") as customer:
        until(lambda: len(found(staff["eve"])) == 3)
        first = staff["eve"].get(CASES, params={"limit": "2"}).json()
        rest = staff["eve"].get(CASES, params={"limit": "2", "cursor": first["next_cursor"]}).json()
        symbols = [item["symbol"] for item in first["items"] + rest["items"]]
        assert (symbols, rest["next_cursor"]) == (["PEP", "IBM", "KO"], None)
        one = first["items"][0]["case_id"]
        closed = (
            staff["ann"]
            .post(f"{CASES}/{one}/close", json={"resolution": "unfounded", "reason": "a test"})
            .json()
        )
        after = {"min_position": str(closed["log_position"])}

        assert len(found(staff["eve"], status="not_closed", **after)) == 2
        assert [item["case_id"] for item in found(staff["eve"], status="closed")] == [one]
        assert len(found(staff["eve"], kind="wash_trading", account_id=str(customer.account_id))) == 3
        for nothing in (
            {"kind": "trading_ahead"},
            {"account_id": str(uuid4())},
            {"assignee_id": str(uuid4())},
        ):
            assert found(staff["eve"], **nothing) == []
        refused(staff["eve"].get(CASES, params={"kind": "odd"}), 400, "request_must_be_well_formed")
        refused(staff["eve"].get(CASES, params={"cursor": "x"}), 422, "cursor_must_be_from_a_page")


def test_what_is_not_meant_is_refused_with_a_code(running: Running, staff: Staff) -> None:
    with washed(running) as customer:
        case = f"{CASES}/{case_of(staff, customer)}"
        eve = staff["eve"]

        for client in (customer.client,):
            for method, path in (("GET", CASES), ("GET", case), ("POST", f"{case}/notes")):
                refused(client.request(method, path, json={"text": "x"}), 403, "role_must_allow")
        for body in (
            {"text": ""},
            {"text": "a\x00b"},
            {"text": "write to bob@example.com"},
            {},
            {"text": "x" * 2001},
        ):
            refused(eve.post(f"{case}/notes", json=body), 400, "request_must_be_well_formed")
        refused(
            eve.post(f"{case}/assign", json={"assignee_id": customer.user_id}), 409, "assignee_must_be_staff"
        )
        refused(eve.post(f"{case}/assign", json={"assignee_id": str(uuid4())}), 409, "assignee_must_be_staff")
        odd = {"resolution": "odd", "reason": "x"}
        refused(eve.post(f"{case}/close", json=odd), 400, "request_must_be_well_formed")
        nowhere = f"{CASES}/{uuid4()}"
        refused(eve.get(nowhere), 404, "case_must_exist")
        refused(eve.post(f"{nowhere}/notes", json={"text": "x"}), 404, "case_must_exist")
        refused(eve.post(f"{CASES}/{customer.account_id}/notes", json={"text": "x"}), 404, "case_must_exist")


def test_a_blocked_customer_is_warned_and_two_admins_end_it(running: Running, staff: Staff) -> None:
    with washed(running) as customer:
        account = f"/api/v1/admin/accounts/{customer.account_id}"
        body = order(symbol="KO", limit_price="5.00")
        _quoted(running)
        until(lambda: customer.client.get("/api/v1/quotes/KO").status_code == 200)

        problem = refused(
            customer.client.post("/api/v1/orders", json=body), 422, "account_must_be_open_for_trading"
        )
        assert "surveillance_wash_trading" in problem["detail"]
        assert f"until {datetime.now(UTC):%Y-}" in problem["detail"]
        refused(
            customer.client.post("/api/v1/wallet/withdraw", json={"amount": "1.00"}),
            422,
            "account_must_be_open_for_trading",
        )
        activity = customer.client.get("/api/v1/account/activity").json()["items"]
        said = next(item for item in activity if item["type"] == "account_suspended")
        assert "surveillance_wash_trading" in said["text"]

        why = {"reason": "it was a hedge"}
        refused(staff["ann"].post(f"{account}/reinstate", json=why), 409, "reinstatement_must_be_approved")
        asked = (
            staff["ann"]
            .post("/api/v1/compliance/reinstatements", json={"account_id": str(customer.account_id), **why})
            .json()
        )
        approve = f"/api/v1/compliance/approvals/{asked['approval_id']}/approve"
        refused(staff["eve"].post(approve), 403, "role_must_allow")
        refused(staff["ann"].post(approve), 409, "approver_must_be_somebody_else")
        assert staff["ben"].post(approve).json()["state"] == "done"

        assert customer.client.post("/api/v1/orders", json=body).status_code == 201


def _quoted(running: Running) -> None:
    from tests.http.running import Market

    with closing(Market(running.settings.redis_url or "")) as market:
        market.publish(KO="10.00")


@pytest.fixture
def shell(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the running Daybook, in the environment."""
    for name, value in running.settings.as_environment().items():
        monkeypatch.setenv(name, value)


def run(app: Any, *words: str) -> int:
    return int(app(list(words), exit_on_error=False, result_action="return_value") or 0)


@pytest.mark.usefixtures("shell")
def test_an_examiner_works_cases_on_the_command_line(
    running: Running, staff: Staff, capsys: pytest.CaptureFixture[str]
) -> None:
    app, eve = cases_command.app, ("--by", "eve@daybook.example", "--password", PASSWORD)
    assert run(app, "list") == 0
    assert capsys.readouterr().out == "No cases.\n"
    with washed(running) as customer:
        case = case_of(staff, customer)
        capsys.readouterr()

        assert (
            run(app, "list", "--open", "--account", str(customer.account_id), "--kind", "wash_trading") == 0
        )
        assert f"{case}  open      high    wash_trading" in capsys.readouterr().out
        assert run(app, "assign", case, *eve) == 0
        assert run(app, "note", case, "the same two orders", *eve) == 0
        assert run(app, "note", case, "write to bob@example.com", *eve) == 2
        assert "must not have an e-mail address" in capsys.readouterr().err
        until(lambda: len(found(staff["eve"])[0]["steps"]) == 4)
        assert run(app, "show", case) == 0
        shown = capsys.readouterr().out
        assert "round_trips 11, round_trips_most 10" in shown
        assert shown.count(" for 1 KO at 10") == 22
        assert "noted     compliance" in shown
        assert "the same two orders" in shown
        assert run(app, "show", case, "--json") == 0
        assert json.loads(capsys.readouterr().out)["case_id"] == case


@pytest.mark.usefixtures("shell")
def test_the_command_line_refuses_with_a_code_and_closes_once(
    running: Running, staff: Staff, capsys: pytest.CaptureFixture[str]
) -> None:
    app, eve = cases_command.app, ("--by", "eve@daybook.example", "--password", PASSWORD)
    with washed(running) as customer:
        case = case_of(staff, customer)

        bad = ("--by", "eve@daybook.example", "--password", "not the password")
        assert run(app, "note", case, "x", *bad) == 2
        assert "credentials_must_be_right" in capsys.readouterr().err
        assert run(app, "show", str(uuid4())) == 2
        assert "case_must_exist" in capsys.readouterr().err
        assert run(app, "assign", case, "--to", str(uuid4()), *eve) == 2
        assert "assignee_must_be_staff" in capsys.readouterr().err
        assert run(app, "close", case, "--resolution", "warned", "--reason", "told to stop", *eve) == 0
        assert run(app, "close", case, "--resolution", "warned", "--reason", "again", *eve) == 2
        assert "case_must_be_open" in capsys.readouterr().err
        until(lambda: found(staff["eve"], status="closed"))
        assert run(app, "list", "--open", "--json") == 0
        assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("shell")
def test_the_whole_log_is_looked_at_once_more_and_changes_nothing_unless_told(
    running: Running, staff: Staff, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = surveillance_command.app
    with washed(running) as customer:
        case = case_of(staff, customer)
        capsys.readouterr()

        assert run(app, "run") == 0
        first = capsys.readouterr().out
        assert run(app, "run") == 0
        assert capsys.readouterr().out == first
        assert f"case     {case}" in first
        assert "1 alert(s), 0 without a case." in first

        monkeypatch.setenv("DAYBOOK_SURVEILLANCE_MOVE_NOTIONAL", "5")
        monkeypatch.setenv("DAYBOOK_SURVEILLANCE_ROUND_TRIPS", "9")
        assert run(app, "run", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["case_id"], told["has_case"], told["figures"]["round_trips"]) == (case, True, "10")
        assert run(app, "run", "--from", "1000000", "--json") == 0
        assert capsys.readouterr().out == ""

    other = Customer(running)
    with deciding(running.settings) as at_hand:
        other.washes(lambda command: at_hand.committer.submit(request(command)).result(10), 10)
    assert run(app, "run") == 0
    assert "2 alert(s), 1 without a case." in capsys.readouterr().out
    assert found(staff["eve"], account_id=str(other.account_id)) == []
    assert run(app, "run", "--record") == 0
    assert "2 alert(s), 1 without a case; 1 opened." in capsys.readouterr().out
    assert run(app, "run", "--record") == 0
    assert "2 alert(s), 0 without a case; 0 opened." in capsys.readouterr().out
    until(lambda: found(staff["eve"], account_id=str(other.account_id)))
    other.client.close()
