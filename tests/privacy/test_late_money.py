"""Money that comes to a closed account, or may yet go back to a bank, and the erasure of its owner."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from msgspec import structs

from application import commands as c
from application import corporate as f
from application.requests import Request
from domain.account import entitlement_of
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import deciding
from interfaces.cli import users
from tests.http.running import PASSWORD, Running, refused, serving
from tests.privacy.test_four_eyes import Staff, ask, closed, decide


def give(settings: Settings, *commands: c.Command) -> None:
    with deciding(settings) as at_hand:
        for command in commands:
            at_hand.committer.submit(Request.by_role("scheduler", command)).result(20)


def late_dividend(account_id: UUID) -> tuple[f.EntitleDividend, f.PayDividend]:
    today, action_id = datetime.now(UTC).date(), uuid4()
    due = entitlement_of(
        action_id=action_id,
        symbol="F",
        quantity=Decimal(10),
        rate=Decimal("0.475"),
        ex_date=today,
        pay_date=today,
    )
    entitle = f.EntitleDividend(account_id=account_id, entitlement=due)
    return entitle, f.PayDividend(account_id=account_id, action_id=action_id)


def test_a_late_dividend_stands_against_an_erasure_until_it_has_gone_on(
    running: Running, staff: Staff
) -> None:
    ids = closed(running, staff)
    entitle, pay = late_dividend(UUID(ids["account_id"]))
    give(running.settings, entitle)
    refused(ask(staff["ann"], ids["user_id"]), 409, "account_must_be_empty")

    give(running.settings, pay)

    asked = ask(staff["ann"], ids["user_id"])
    assert decide(staff["ben"], asked).json()["state"] == "done"


def test_no_erasure_while_a_transfer_may_come_back(settings: Settings) -> None:
    by_a_bank = structs.replace(settings, funding="ach", funding_delay=3600.0, settlement_days=0)
    with serving(by_a_bank) as running:
        staff = {name: admin(running, f"{name}@daybook.example") for name in ("ann", "ben")}
        ids = closed(running, staff)
        account_id = UUID(ids["account_id"])
        give(running.settings, *late_dividend(account_id))
        shown = staff["ann"].get("/api/v1/compliance/residues", params={"min_position": end(running)}).json()
        assert [(one["account_id"], one["cash"], one["withdrawing"]) for one in shown["items"]] == [
            (ids["account_id"], "4.75", "4.75")
        ]
        problem = refused(ask(staff["ann"], ids["user_id"]), 409, "account_must_be_empty")
        assert "4.75 in cash" in problem["detail"]
        transfer_id = transfer_of(running, account_id)
        give(
            running.settings, c.FailTransfer(account_id=account_id, transfer_id=transfer_id, reason="closed")
        )
        residue = f"/api/v1/admin/accounts/{account_id}/residue"
        sent = staff["ann"].post(residue)
        assert (sent.status_code, sent.json()["transfer_status"]) == (200, "initiated")
        refused(staff["ann"].post(residue), 409, "residue_must_be_there")

        ids_of = {"account_id": account_id, "transfer_id": UUID(sent.json()["transfer_id"])}
        give(running.settings, c.CompleteTransfer(**ids_of))

        problem = refused(ask(staff["ann"], ids["user_id"]), 409, "transfers_must_be_final")
        assert f"{datetime.now(UTC) + timedelta(days=60):%Y-%m}" in problem["detail"]
        for client in staff.values():
            client.close()
    with serving(structs.replace(by_a_bank, transfers_final_days=0)) as running:
        staff = {
            name: running.client(running.log_in(f"{name}@daybook.example")["access_token"])
            for name in ("ann", "ben")
        }
        assert decide(staff["ben"], ask(staff["ann"], ids["user_id"])).json()["state"] == "done"
        for client in staff.values():
            client.close()


def test_a_transfer_on_its_way_stands_against_an_erasure(settings: Settings) -> None:
    with serving(structs.replace(settings, funding="ach", transfers_final_days=0)) as running:
        staff = {"ann": admin(running, "ann@daybook.example")}
        email, ids = running.register()
        customer = running.client(running.log_in(email)["access_token"])
        assert customer.post("/api/v1/wallet/deposit", json={"amount": "5.00"}).status_code == 201
        account = f"/api/v1/admin/accounts/{ids['account_id']}"
        refused(staff["ann"].post(f"{account}/residue"), 409, "account_must_be_closed")
        assert staff["ann"].post(f"{account}/close").status_code == 200

        problem = refused(ask(staff["ann"], ids["user_id"]), 409, "transfers_must_be_final")

        assert "on its way" in problem["detail"]
        for client in (customer, staff["ann"]):
            client.close()


def admin(running: Running, email: str) -> httpx.Client:
    users.create_user(running.settings, email=email, full_name="A", role="admin", password=PASSWORD)
    return running.client(running.log_in(email)["access_token"])


def end(running: Running) -> int:
    return int(ask_the_log(running, "SELECT max(notification_id) FROM stored_events")[0][0])


def transfer_of(running: Running, account_id: UUID) -> UUID:
    sql = "SELECT originator_id FROM stored_events WHERE account_id = %s AND topic = 'Transfer.Initiated'"
    return UUID(str(ask_the_log(running, sql, account_id)[0][0]))


def ask_the_log(running: Running, sql: str, *parameters: object) -> list[Any]:
    with psycopg.connect(running.settings.owner_database_url or "") as connection:
        return connection.execute(sql.encode(), parameters).fetchall()
