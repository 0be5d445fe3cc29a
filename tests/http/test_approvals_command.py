"""`daybook approvals` on the command line."""

import json
import os
import subprocess
import sys

import pytest

from infrastructure.settings import Settings
from interfaces.cli import users
from tests.http.running import PASSWORD, Running

REASON = "asked for in writing"


def approvals(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", "approvals", "list", *words],
        env={**os.environ, **settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def reinstated(running: Running) -> tuple[str, list[str]]:
    """An account that surveillance suspended, and the two admins who ended that."""
    _, customer = running.register()
    account, staff, clients = str(customer["account_id"]), [], []
    for name in ("ann", "ben"):
        email = f"{name}@firm.example"
        user = users.create_user(
            running.settings, email=email, full_name=name, role="admin", password=PASSWORD
        )
        staff.append(str(user.user_id))
        clients.append(running.client(running.log_in(email)["access_token"]))
    ann, ben = clients
    ann.post(f"/api/v1/admin/accounts/{account}/suspend", json={"reason": "surveillance: by hand"})
    body = {"account_id": account, "reason": REASON}
    asked = ann.post("/api/v1/compliance/reinstatements", json=body).json()
    done = ben.post(f"/api/v1/compliance/approvals/{asked['approval_id']}/approve")
    assert done.status_code == 200, done.text
    for client in clients:
        client.close()
    return account, staff


def test_it_says_who_asked_who_agreed_and_where_it_is_in_the_log(
    running: Running, reinstated: tuple[str, list[str]]
) -> None:
    account, (ann, ben) = reinstated

    told, found = approvals(running.settings, "--subject", account), approvals(running.settings, "--json")

    one = json.loads(found.stdout)
    assert (told.returncode, found.returncode) == (0, 0)
    assert (one["kind"], one["requested_by"], one["decided_by"]) == ("reinstatement", ann, ben)
    assert f"asked by {ann} on " in told.stdout
    assert f"approved by {ben} on " in told.stdout
    assert told.stdout.endswith(f", log position {one['outcome']['log_position']}: {REASON}\n")


def test_what_is_not_looked_for_is_left_out(running: Running, reinstated: tuple[str, list[str]]) -> None:
    account, (ann, _) = reinstated

    for words in (("--subject", ann), ("--subject", account, "--kind", "erasure")):
        found = approvals(running.settings, *words)
        assert (found.returncode, found.stdout) == (0, "Nothing was asked for.\n")
