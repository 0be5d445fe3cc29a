"""`daybook actions` on the command line."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.http.running import Running


def daybook(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", "actions", *words],
        env={**os.environ, **settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def day(ahead: int) -> str:
    return str(datetime.now(UTC).date() + timedelta(days=ahead))


def test_what_is_announced_is_listed_cancelled_and_run(running: Running) -> None:
    settings = running.settings
    split = daybook(settings, "announce", "split", "cli", "3:2", "--ex-date", day(0), "--json")
    assert split.returncode == 0, split.stderr
    action = json.loads(split.stdout)
    assert (action["symbol"], action["numerator"], action["status"]) == ("CLI", 3, "announced")
    dividend = daybook(
        settings, "announce", "dividend", "CLI", "0.25", "--ex-date", day(9), "--pay-date", day(12)
    )
    assert "The dividend of CLI on" in dividend.stdout

    done = daybook(settings, "run")
    again = daybook(settings, "run")

    assert (done.stdout, again.stdout) == ("1 piece of work done.\n", "0 pieces of work done.\n")
    listed = json.loads(daybook(settings, "list", "--symbol", "CLI", "--json").stdout)
    assert [(row["kind"], row["status"]) for row in listed] == [
        ("dividend", "announced"),
        ("split", "completed"),
    ]
    gone = daybook(settings, "cancel", listed[0]["action_id"], "--reason", "a mistake")
    assert "is cancelled" in gone.stdout
    lines = daybook(settings, "list", "--symbol", "CLI").stdout.splitlines()
    assert lines[0].startswith(listed[0]["action_id"])
    assert "dividend of 0.25 a share" in lines[0]


def test_splits_to_come_are_taken_from_factor_files(running: Running, tmp_path: Path) -> None:
    soon, later = day(30).replace("-", ""), day(60).replace("-", "")
    (tmp_path / "lean.csv").write_text(f"20140606,0.9,0.07,645\n{soon},0.95,0.5,90\n{later},1,1,0\n")

    dry = daybook(running.settings, "import", "--lean", str(tmp_path), "--dry-run")
    done = daybook(running.settings, "import", "--lean", str(tmp_path))

    assert "1 splits to announce; left out: 1 before" in dry.stdout
    assert "LEAN 2:1 on" in done.stdout
    assert "2 dividends" in done.stdout
    [row] = json.loads(daybook(running.settings, "list", "--symbol", "LEAN", "--json").stdout)
    assert (row["kind"], row["ex_date"], row["status"]) == ("split", day(31), "announced")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["announce", "split", "ODD", "7", "--ex-date", day(1)], "is not a ratio"),
        (["announce", "split", "ODD", "7:7", "--ex-date", day(1)], "corporate_action_must_be_well_formed"),
        (["announce", "split", "ODD", "7:1", "--ex-date", "soon"], "is not a day"),
        (["announce", "split", "ODD", "7:1", "--ex-date", day(-3)], "ex_date_must_not_have_passed"),
        (["announce", "split", "?", "7:1", "--ex-date", day(1)], "symbol_must_be_well_formed"),
        (["announce", "dividend", "ODD", "x", "--ex-date", day(1), "--pay-date", day(2)], "is not a number"),
        (
            ["announce", "dividend", "ODD", "NaN", "--ex-date", day(1), "--pay-date", day(2)],
            "corporate_action_must_be",
        ),
        (["run", "--date", day(2)], "corporate_action_must_be_due"),
        (["cancel", "00000000-0000-0000-0000-000000000001", "--reason", "x"], "corporate_action_must_exist"),
        (["import", "--lean", "/nowhere"], "/nowhere"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_code_2(running: Running, words: list[str], says: str) -> None:
    refused = daybook(running.settings, *words)

    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
