"""Seals and proofs over HTTP, and on the command line beside them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from infrastructure.postgres.connections import connect
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.proofs import check
from infrastructure.sealing.running import RunningSealer, public_keys_of, seal_file
from interfaces.cli import seals as cli
from interfaces.cli import verifying
from tests.http.running import Running, refused, until
from tests.sealing.parts import sealing

Staff = dict[str, httpx.Client]
BASE = "/api/v1/compliance"


@pytest.fixture(autouse=True, scope="module")
def _sealer(running: Running) -> Iterator[None]:
    with closing(running.customer("5.00")) as customer:
        for amount in ("1.00", "2.00"):
            assert customer.post("/api/v1/wallet/deposit", json={"amount": amount}).status_code == 201
    url = running.settings.database_url or ""
    with sealing(RunningSealer(running.settings, url)):
        until(lambda: _sealing(running)["lag"] == 0)
        yield


@pytest.fixture
def another_seal(running: Running) -> None:
    """Something more is recorded and sealed."""
    running.customer("7.00").close()
    until(
        lambda: _sealing(running)["lag"] == 0 and _sealing(running)["published"] == _sealing(running)["seal"]
    )


def _sealing(running: Running) -> Any:
    with running.client() as client:
        return client.get("/health").json()["sealing"]


def test_health_says_how_far_the_log_is_sealed(running: Running, another_seal: None) -> None:
    with running.client() as client:
        health = client.get("/health").json()

    found = health["sealing"]
    assert (found["position"], found["lag"], found["failure"]) == (health["log_position"], 0, None)
    assert found["published"] == found["seal"] >= 1
    assert found["bucket"] is None


def test_seals_come_in_pages_and_one_by_one(staff: Staff, another_seal: None) -> None:
    examiner = staff["compliance"]
    first = examiner.get(f"{BASE}/seals", params={"limit": 1}).json()
    second = examiner.get(f"{BASE}/seals", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    newest, before = first["items"][0], second["items"][0]
    assert newest["number"] == before["number"] + 1
    assert newest["count"] == before["count"] + newest["events"]
    one = examiner.get(f"{BASE}/seals/{newest['number']}").json()
    leaves = one.pop("leaves")
    assert one == newest
    assert json.loads(one["text"])["root"] == newest["root"]
    assert leaves


def test_a_proof_over_http_is_checked_without_the_server(running: Running, staff: Staff) -> None:
    trusted = read_public_keys(public_keys_of(seal_file(running.settings)))

    answer = staff["admin"].get(f"{BASE}/events/3/proof")

    assert answer.status_code == 200
    checked = check(answer.content, trusted)
    assert checked.event is not None
    assert checked.event["log_position"] == 3


def test_what_is_not_there_is_refused(staff: Staff, somebody: httpx.Client) -> None:
    examiner = staff["compliance"]

    for number in (0, 10_000, 2**70):
        refused(examiner.get(f"{BASE}/seals/{number}"), 404, "seal_must_exist")
        refused(examiner.get(f"{BASE}/events/{number}/proof"), 404, "event_must_exist")
    refused(examiner.get(f"{BASE}/events/3/proof", params={"seal": 9999}), 404, "seal_must_exist")
    refused(examiner.get(f"{BASE}/seals", params={"cursor": "x"}), 422, "cursor_must_be_from_a_page")
    refused(examiner.get(f"{BASE}/seals/one"), 404, "route_must_exist")
    for path in ("seals", "seals/1", "events/3/proof"):
        refused(somebody.get(f"{BASE}/{path}"), 403, "role_must_allow")


def test_the_command_line_verifies_lists_proves_and_refuses(
    running: Running, capfd: pytest.CaptureFixture[str], tmp_path: Any, another_seal: None
) -> None:
    where: Any = {"database_url": running.settings.database_url, "data_dir": running.settings.data_dir}
    file, other = tmp_path / "event.proof", tmp_path / "seals.proof"
    capfd.readouterr()

    assert verifying.verify(**where) == 0
    assert capfd.readouterr().out.startswith("right: ")
    assert verifying.verify(json=True, from_=2, to=3, parallel=1, **where) == 0
    assert json.loads(capfd.readouterr().out)["findings"] == []
    assert cli.list_seals(limit=1, **where) == 0
    assert "events up to" in capfd.readouterr().out
    assert cli.show(1, **where) == 0
    assert json.loads(capfd.readouterr().out)["number"] == 1
    assert verifying.prove("3", out=file, **where) == 0
    assert cli.consistency(1, 2, out=other, **where) == 0
    keys = public_keys_of(seal_file(running.settings))
    assert [verifying.verify_proof(one, key=keys) for one in (file, other)] == [0, 0]
    capfd.readouterr()
    event = check(file.read_bytes()).event
    assert event is not None
    assert verifying.prove(f"{event['originator_id']}@{event['originator_version']}", **where) == 0
    assert capfd.readouterr().out == file.read_text()


def test_the_command_line_refuses_in_one_line(
    running: Running, capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    where: Any = {"database_url": running.settings.database_url, "data_dir": running.settings.data_dir}
    keys = public_keys_of(seal_file(running.settings))
    empty, garbage = tmp_path / "empty.jsonl", tmp_path / "garbage.pub"
    empty.touch()
    garbage.write_bytes(b"\xffno key\n")
    asked = {
        "there is no event at log position 100000": lambda: verifying.prove("100000", **where),
        "an event is a log position or ID@VERSION": lambda: verifying.prove("three", **where),
        "there is no seal 999": lambda: cli.consistency(1, 999, **where),
        "the older seal comes first": lambda: cli.consistency(2, 1, **where),
        "--from 20 is after --to 10": lambda: verifying.verify(from_=20, to=10, **where),
        "have no event from 100000 on": lambda: verifying.verify(from_=100_000, **where),
        "there are no seals in": lambda: verifying.verify(seals=str(empty), key=keys, **where),
        "holds something that is no public key: give": lambda: verifying.verify(key=garbage, **where),
        "cannot be read": lambda: verifying.verify(seals=str(tmp_path / "nowhere"), **where),
        "the address of a bucket is": lambda: verifying.verify(seals="https://host", key=keys, **where),
        "cannot be written": lambda: verifying.prove("3", out=tmp_path / "no" / "folder", **where),
    }
    for sentence, ask in asked.items():
        assert ask() == 2
        told = capfd.readouterr()
        lines = [line for line in told.err.splitlines() if not line.startswith("events: ")]
        assert (told.out, len(lines)) == ("", 1)
        assert lines[0].startswith("daybook: ")
        assert sentence in lines[0]


def test_a_copy_that_is_older_says_so_in_the_first_line(
    running: Running, capfd: pytest.CaptureFixture[str], tmp_path: Any, another_seal: None
) -> None:
    where: Any = {"database_url": running.settings.database_url, "data_dir": running.settings.data_dir}
    own, copy = seal_file(running.settings), tmp_path / "copy.jsonl"
    copy.write_bytes(own.read_bytes().splitlines(keepends=True)[0])
    capfd.readouterr()

    assert verifying.verify(seals=str(copy), key=public_keys_of(own), **where) == 0

    assert capfd.readouterr().out.startswith("right, but only as far as these seals go, 1 of ")


def test_a_key_is_made_once_and_its_successor_beside_it(
    capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    assert [cli.new_key(data_dir=tmp_path) for _ in range(3)] == [0, 0, 2]

    told = capfd.readouterr()
    assert "seals.key: the private key of" in told.out
    assert "seals.key.next: the private key of" in told.out
    assert "cannot be made: File exists" in told.err


def test_somebody_who_tampered_is_found_out_on_the_command_line(
    running: Running, servers: Any, capfd: pytest.CaptureFixture[str], staff: Staff
) -> None:
    database = (running.settings.database_url or "").split("?")[0].rpartition("/")[2]
    with connect(servers.postgres.url(user="postgres", database=database), application="tamper") as one:
        one.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_are_for_ever")
        one.execute("UPDATE stored_events SET topic = 'Account.Withdrawn' WHERE notification_id = 3")

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "interfaces.cli.main",
            "verify",
            "--parallel",
            "2",
            "--data-dir",
            str(running.settings.data_dir),
        ],
        env={"DAYBOOK_DATABASE_URL": running.settings.database_url or ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout.startswith(
        "WRONG: the event at log position 3 (number 3) is not the one that was sealed;"
    )
    assert (
        "stored_events: the trigger that refuses update and delete is missing or switched off" in done.stdout
    )
    refused(staff["admin"].get(f"{BASE}/events/3/proof"), 409, "event_must_be_as_sealed")
