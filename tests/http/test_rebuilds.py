"""Rebuilds over HTTP and on the command line: asked for, watched, paused, taken back."""

import json
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest

from interfaces.cli import projections as cli
from projections.holders import Holders
from tests.http.running import Running, refused, until

Staff = dict[str, httpx.Client]
BASE = "/api/v1/admin/projections"


@pytest.fixture(autouse=True)
def _a_log_with_something_in_it(running: Running) -> None:
    with closing(running.customer("5.00")) as customer:
        assert customer.get("/api/v1/wallet/balance").json()["cash"] == "5.00"


def _ended(admin: httpx.Client, url: str) -> Any:
    job = admin.get(url).json()
    return job if job["finished_at"] else None


def test_a_job_tells_how_far_it_is_and_what_came_of_it(staff: Staff) -> None:
    admin = staff["admin"]

    started = admin.post(f"{BASE}/rebuild", json={"names": ["orders", "balances"], "parallel": 2})
    job = until(lambda: _ended(admin, started.headers["location"]))

    assert (job["state"], job["error"], job["parallel"]) == ("done", None, 2)
    assert {one["projection"] for one in job["progress"]} == {"orders", "balances"}
    assert {one["phase"] for one in job["progress"]} == {"done"}
    assert {(one["compared"], one["differences"]) for one in job["results"]} == {(True, 0)}
    assert admin.get(f"{BASE}/rebuilds").json() == []


def test_a_table_is_taken_back_and_forgotten(staff: Staff) -> None:
    admin = staff["admin"]
    started = admin.post(f"{BASE}/rebuild", json={"names": ["holders"]})
    until(lambda: _ended(admin, started.headers["location"]))

    back = admin.post(f"{BASE}/holders/rollback")
    gone = admin.post(f"{BASE}/holders/forget")

    assert (back.status_code, back.json()["projection"], back.json()["version"]) == (
        200,
        "holders",
        Holders.version,
    )
    assert gone.status_code == 204
    refused(admin.post(f"{BASE}/holders/rollback"), 404, "previous_table_must_exist")
    refused(admin.post(f"{BASE}/holders/forget"), 404, "previous_table_must_exist")


def test_what_does_not_run_cannot_be_paused(staff: Staff) -> None:
    admin = staff["admin"]
    started = admin.post(f"{BASE}/rebuild", json={"names": ["holders"]})
    until(lambda: _ended(admin, started.headers["location"]))

    for verb in ("pause", "resume"):
        refused(admin.post(f"{started.headers['location']}/{verb}"), 404, "rebuild_must_be_under_way")
        refused(admin.post(f"{BASE}/jobs/{uuid4()}/{verb}"), 404, "job_must_exist")
    refused(admin.post(f"{BASE}/nothing/rollback"), 404, "projection_must_exist")
    refused(staff["compliance"].post(f"{BASE}/holders/rollback"), 403, "role_must_allow")


def test_the_command_line_tells_in_plain_lines_and_in_json(
    running: Running, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    where: Any = {"database_url": running.settings.database_url}
    where["data_dir"] = running.settings.data_dir
    monkeypatch.setenv("DAYBOOK_REDIS_URL", str(running.settings.redis_url))

    plain = cli.rebuild("holders", **where), capfd.readouterr()
    as_json = cli.rebuild("holders", json=True, **where), capfd.readouterr()
    back = cli.rollback("holders", **where), capfd.readouterr()
    unknown = cli.rollback("nothing", **where), capfd.readouterr()
    idle = cli.pause(**where), capfd.readouterr()

    assert plain[0] == as_json[0] == back[0] == 0
    assert "equal to the table before" in plain[1].out
    assert "holders: swapping" in plain[1].err
    lines = [json.loads(line) for line in as_json[1].out.splitlines()]
    assert lines[-1]["result"]["differences"] == 0
    assert lines[-2]["report"]["phase"] == "done"
    assert f"live again, version {Holders.version}" in back[1].out
    assert (unknown[0], idle[0]) == (2, 2)
    assert "no rebuild is building" in idle[1].err
