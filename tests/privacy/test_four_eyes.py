"""What takes two: erasing somebody, and ending what surveillance began."""

import os
import subprocess
import sys
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from infrastructure.settings import Settings
from interfaces.cli import erase as command
from tests.http.running import PASSWORD, Running, refused

Staff = dict[str, httpx.Client]
APPROVALS = "/api/v1/compliance/approvals"


def closed(running: Running, staff: Staff) -> dict[str, Any]:
    """The ids of a customer whose account is closed."""
    _, ids = running.register()
    assert staff["ann"].post(f"/api/v1/admin/accounts/{ids['account_id']}/close").status_code == 200
    return ids


def ask(client: httpx.Client, user_id: object, reason: str = "the customer wishes it") -> httpx.Response:
    return client.post("/api/v1/compliance/erasures", json={"user_id": str(user_id), "reason": reason})


def decide(client: httpx.Client, asked: httpx.Response, how: str = "approve") -> httpx.Response:
    return client.post(f"{APPROVALS}/{asked.json()['approval_id']}/{how}")


def execute(settings: Settings, sql: str, *parameters: object) -> list[Any]:
    with psycopg.connect(settings.owner_database_url or "") as connection:
        found = connection.execute(sql.encode(), parameters)
        return found.fetchall() if found.description else []


def test_one_asks_another_approves_and_examiners_only_look(running: Running, staff: Staff) -> None:
    ids = closed(running, staff)
    refused(ask(staff["eve"], ids["user_id"]), 403, "role_must_allow")

    asked = ask(staff["ann"], ids["user_id"])

    assert (asked.status_code, asked.json()["state"]) == (201, "requested")
    assert asked.headers["location"] == f"{APPROVALS}/{asked.json()['approval_id']}"
    refused(ask(staff["ben"], ids["user_id"]), 409, "approval_must_not_be_open_already")
    refused(decide(staff["eve"], asked), 403, "role_must_allow")
    refused(decide(staff["ann"], asked), 409, "approver_must_be_somebody_else")
    assert staff["eve"].get(asked.headers["location"]).json()["state"] == "requested"

    done = decide(staff["ben"], asked)

    assert done.json()["state"] == "done"
    assert done.json()["reason"] == "erased"
    for again in (decide(staff["ben"], asked), decide(staff["ann"], asked)):  # changes nothing
        assert again.json() == done.json()
    refused(decide(staff["ann"], asked, "decline"), 409, "approval_must_be_open")
    refused(ask(staff["ann"], ids["user_id"]), 409, "person_must_not_be_erased")
    topics = "SELECT count(*) FROM stored_events WHERE topic = 'Erasure.Certified' AND account_id = %s"
    assert execute(running.settings, topics, ids["account_id"]) == [(1,)]


def test_the_database_itself_wants_four_eyes(running: Running, staff: Staff) -> None:
    asked = ask(staff["ann"], closed(running, staff)["user_id"])

    with pytest.raises(psycopg.errors.CheckViolation):
        execute(running.settings, "UPDATE approvals SET state = 'approved', decided_by = requested_by")

    decide(staff["ann"], asked, "decline")


def test_who_still_has_an_account_or_is_not_there_cannot_be_erased(running: Running, staff: Staff) -> None:
    _, ids = running.register()

    refused(ask(staff["ann"], ids["user_id"]), 409, "account_must_be_closed")
    refused(ask(staff["ann"], uuid4()), 404, "person_must_exist")
    refused(ask(staff["ann"], "x"), 400, "request_must_be_well_formed")
    refused(ask(staff["ann"], ids["user_id"], "a\x00b"), 400, "request_must_be_well_formed")
    refused(staff["ben"].post(f"{APPROVALS}/{uuid4()}/approve"), 404, "approval_must_exist")


def test_what_was_declined_stays_and_can_be_asked_for_again(running: Running, staff: Staff) -> None:
    ids = closed(running, staff)
    asked = ask(staff["ann"], ids["user_id"])

    assert decide(staff["ann"], asked, "decline").json()["state"] == "declined"

    refused(decide(staff["ben"], asked), 409, "approval_must_be_open")
    assert ask(staff["ben"], ids["user_id"]).status_code == 201


def test_an_erasure_that_was_cut_off_is_finished_by_approving_again(
    running: Running, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step: approved and nothing done; the key destroyed and nothing certified; certified and not noted."""
    from infrastructure.privacy import erasing

    for broken in ("_shred", "_certificate", "_CLEAR_AWAY"):
        ids = closed(running, staff)
        asked = ask(staff["ann"], ids["user_id"])
        with monkeypatch.context() as dying:
            dying.setattr(erasing, broken, None)
            assert decide(staff["ben"], asked).status_code == 500

        done = decide(staff["ben"], asked)

        assert (done.status_code, done.json()["state"]) == (200, "done"), done.text
        assert done.json()["outcome"]["erased"]["identity"] == 1
        certificates = "SELECT count(*) FROM stored_events WHERE originator_id = %s"
        assert execute(running.settings, certificates, asked.json()["approval_id"]) == [(1,)]


def test_what_surveillance_blocked_takes_two(running: Running, staff: Staff) -> None:
    _, ids = running.register()
    account = f"/api/v1/admin/accounts/{ids['account_id']}"
    staff["ann"].post(f"{account}/suspend", json={"reason": "surveillance: eleven round trips in MSFT"})

    refused(
        staff["ann"].post(f"{account}/reinstate", json={"reason": "x"}), 409, "reinstatement_must_be_approved"
    )
    body = {"account_id": ids["account_id"], "reason": "it was a test account"}
    asked = staff["ann"].post("/api/v1/compliance/reinstatements", json=body)
    refused(decide(staff["ann"], asked), 409, "approver_must_be_somebody_else")
    assert decide(staff["ben"], asked).json()["state"] == "done"

    assert staff["ann"].post(f"{account}/suspend", json={"reason": "papers"}).json()["status"] == "suspended"
    assert staff["ann"].post(f"{account}/reinstate", json={"reason": "papers"}).json()["status"] == "open"
    nobody = {"account_id": str(uuid4()), "reason": "x"}
    refused(staff["ann"].post("/api/v1/compliance/reinstatements", json=nobody), 404, "account_must_exist")


def test_the_log_position_is_that_of_the_reinstatement_or_none(running: Running, staff: Staff) -> None:
    _, ids = running.register()
    account = f"/api/v1/admin/accounts/{ids['account_id']}"
    body = {"account_id": ids["account_id"], "reason": "nothing to end"}
    never = staff["ann"].post("/api/v1/compliance/reinstatements", json=body)
    assert decide(staff["ben"], never).json()["outcome"] == {"log_position": None}

    staff["ann"].post(f"{account}/suspend", json={"reason": "surveillance: by hand"})
    asked = staff["ann"].post("/api/v1/compliance/reinstatements", json=body)
    place = decide(staff["ben"], asked).json()["outcome"]["log_position"]
    event = "SELECT topic, originator_id::text FROM stored_events WHERE notification_id = %s"
    assert execute(running.settings, event, place) == [("Account.Reinstated", ids["account_id"])]


def test_what_was_asked_for_comes_in_pages(running: Running, staff: Staff) -> None:
    for _ in range(3):
        ask(staff["ann"], closed(running, staff)["user_id"])

    first = staff["eve"].get(APPROVALS, params={"limit": "2", "kind": "erasure", "state": "requested"}).json()
    second = staff["eve"].get(APPROVALS, params={"limit": "2", "cursor": first["next_cursor"]}).json()

    found = [each["approval_id"] for each in first["items"] + second["items"]]
    assert len(found) == len(set(found)) == 3
    assert second["next_cursor"] is None
    assert staff["eve"].get(APPROVALS, params={"kind": "reinstatement"}).json()["items"] == []
    for wrong in ("YXVkaXQ6Nw", "YXBwcm92YWxzOng", "%00"):
        refused(staff["eve"].get(f"{APPROVALS}?cursor={wrong}"), 422, "cursor_must_be_from_a_page")
    refused(staff["eve"].get(APPROVALS, params={"state": "odd"}), 400, "request_must_be_well_formed")


def test_identity_is_kept_as_many_years_as_the_law_wants(settings: Settings) -> None:
    from msgspec import structs

    from tests.http.running import serving

    with serving(structs.replace(settings, erasure_earliest_years=6)) as running:
        staff = {"ann": _admin(running, "ann@daybook.example")}
        ids = closed(running, staff)
        problem = refused(ask(staff["ann"], ids["user_id"]), 409, "retention_must_be_over")
        assert "must be kept until 20" in problem["detail"]
        staff["ann"].close()


def _admin(running: Running, email: str) -> httpx.Client:
    from interfaces.cli import users

    users.create_user(running.settings, email=email, full_name="A", role="admin", password=PASSWORD)
    return running.client(running.log_in(email)["access_token"])


def run(*words: str) -> int:
    """The exit code of `daybook erase …`."""
    return int(command.app(list(words), exit_on_error=False, result_action="return_value") or 0)


def test_the_command_line_does_the_same(
    running: Running, staff: Staff, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in running.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    ids = closed(running, staff)
    ann, ben, eve = (
        ("--by", f"{name}@daybook.example", "--password", PASSWORD) for name in ("ann", "ben", "eve")
    )

    assert run("request", ids["user_id"], "--reason", "she wishes it", *eve) == 2
    assert run("request", ids["user_id"], "--reason", "x", *ann[:3], "not the password") == 2
    assert "credentials_must_be_right" in capsys.readouterr().err
    assert run("request", ids["user_id"], "--reason", "she wishes it", *ann) == 0
    approval_id = capsys.readouterr().out.split()[-1]
    assert run("approve", approval_id, *ann) == 2
    assert "approver_must_be_somebody_else" in capsys.readouterr().err
    assert run("approve", approval_id, *ben) == 0
    assert f"Erased user {ids['user_id']}: 1 identity" in capsys.readouterr().out
    assert run("approve", approval_id, *ben) == 0
    assert run("decline", approval_id, *ben) == 2
    assert run("list") == 0
    assert f"{approval_id}  done" in capsys.readouterr().out


def test_the_command_line_erases_nobody_by_another_approval(
    running: Running, staff: Staff, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in running.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    _, ids = running.register()
    staff["ann"].post(
        f"/api/v1/admin/accounts/{ids['account_id']}/suspend", json={"reason": "surveillance: by hand"}
    )
    body = {"account_id": ids["account_id"], "reason": "hedges"}
    asked = staff["ann"].post("/api/v1/compliance/reinstatements", json=body).json()

    for deed in ("approve", "decline"):
        assert run(deed, asked["approval_id"], "--by", "ben@daybook.example", "--password", PASSWORD) == 2
        assert "(approval_must_exist)" in capsys.readouterr().err
    assert staff["ann"].get(f"{APPROVALS}/{asked['approval_id']}").json()["state"] == "requested"


def test_who_gives_a_wrong_password_on_the_command_line_is_in_the_audit(
    running: Running, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in running.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert run("decline", str(uuid4()), "--by", "ann@daybook.example", "--password", "not the password") == 2
    found = (
        staff["eve"]
        .get("/api/v1/compliance/audit", params={"kind": "log_in_refused", "actor": "operator"})
        .json()["items"]
    )
    assert found[0]["code"] == "credentials_must_be_right"
    assert "ann@" not in str(found[0])
    assert found[0]["about"]


def test_whom_a_backup_brought_back_is_erased_again(
    running: Running, staff: Staff, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = running.settings
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    email, ids = running.register()
    stayed, _ = running.register()
    staff["ann"].post(f"/api/v1/admin/accounts/{ids['account_id']}/close")
    for table in ("users", "personal_keys"):
        execute(
            settings,
            f"CREATE TABLE backup_{table} AS SELECT * FROM {table} WHERE {table}::text LIKE '%%' || %s || '%%'",
            ids["user_id"],
        )
    decide(staff["ben"], ask(staff["ann"], ids["user_id"]))
    execute(settings, "DELETE FROM users WHERE user_id = %s", ids["user_id"])
    for table in ("users", "personal_keys"):
        execute(settings, f"INSERT INTO {table} SELECT * FROM backup_{table}")
    assert running.log_in(email)["user"]["email"] == email

    assert run("repeat") == 0
    assert "1 people were erased again" in capsys.readouterr().out
    assert run("repeat") == 0
    assert "0 people were erased again" in capsys.readouterr().out

    with closing(running.client()) as client:
        answer = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
        refused(answer, 401, "credentials_must_be_right")
    assert running.log_in(stayed)["user"]["email"] == stayed


def test_help_explains_itself_without_a_database() -> None:
    for words in (["erase", "--help"], ["erase", "approve", "--help"], ["keys", "rotate", "--help"]):
        found = subprocess.run(
            [sys.executable, "-m", "interfaces.cli.main", *words],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert found.returncode == 0
        assert "Usage: daybook" in found.stdout
