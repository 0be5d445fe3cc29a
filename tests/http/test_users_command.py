"""`daybook users` on the command line."""

import os
import subprocess
import sys

import psycopg
import pytest

from infrastructure.settings import Settings
from tests.http.running import PASSWORD, Running


def daybook(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", "users", *words],
        env={**os.environ, **settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def create(settings: Settings, email: str, role: str, *more: str) -> subprocess.CompletedProcess[str]:
    return daybook(settings, "create", "--email", email, "--full-name", "Somebody", "--role", role, *more)


def test_a_created_customer_can_log_in_to_an_open_account_and_is_listed(running: Running) -> None:
    created = create(running.settings, "cli@example.com", "customer", "--password", PASSWORD)
    assert (created.returncode, created.stderr) == (0, "")

    with running.client(running.log_in("cli@example.com")["access_token"]) as client:
        assert client.get("/api/v1/wallet/balance").json()["status"] == "open"
    listed = daybook(running.settings, "list")
    assert "cli@example.com" in listed.stdout
    assert listed.returncode == 0


def test_somebody_is_found_by_address_id_account_and_part_of_the_name(running: Running) -> None:
    create(running.settings, "other@example.com", "admin", "--password", PASSWORD)
    email, ids = running.register()  # A Person

    for who in (email.upper(), ids["user_id"], ids["account_id"], "pers"):
        found = daybook(running.settings, "find", who)
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout.split() == [ids["user_id"], "customer", ids["account_id"], email, "A", "Person"]


def test_whom_a_find_showed_is_written_down_without_what_was_asked(running: Running) -> None:
    email, ids = running.register()

    daybook(running.settings, "find", email)

    with psycopg.connect(running.settings.database_url or "") as connection:
        told = "SELECT kind, actor, about, text FROM deeds WHERE topic = 'daybook users find' ORDER BY number"
        *_, asked, shown = connection.execute(told).fetchall()
    assert (asked[0], asked[1], asked[2]) == ("look_up", "operator", [])
    assert (shown[0], shown[1]) == ("look_up", "operator")
    assert [str(one) for one in shown[2]] == [ids["user_id"], ids["account_id"]]
    assert email not in asked[3] + shown[3]


def test_whoever_is_not_there_is_said_to_be_nobody(running: Running) -> None:
    for who in ("nobody@example.com", "00000000-0000-0000-0000-000000000001", "Nobody", " "):
        found = daybook(running.settings, "find", who)
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("email", "password", "says"),
    [
        ("no-address", PASSWORD, "email_must_be_well_formed"),
        ("short@example.com", "short", "password_must_be_long_enough"),
        ("unasked@example.com", None, "--password"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_code_2(
    running: Running, email: str, password: str | None, says: str
) -> None:
    more = () if password is None else ("--password", password)
    refused = create(running.settings, email, "admin", *more)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1
