"""`daybook archive` and `daybook hold`, as operators use them; `daybook replay` and `daybook verify` beside them."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.archiving.parts import Kept
from tests.projecting.worked import ANN


def daybook(kept: Kept, *words: str) -> subprocess.CompletedProcess[str]:
    """One command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "interfaces.cli.main", *words, "--data-dir", str(kept.folder.parent)],
        env={
            "DAYBOOK_DATABASE_URL": kept.url,
            "DAYBOOK_OWNER_DATABASE_URL": kept.owner_url,
            "DAYBOOK_SEAL_FILE": str(kept.examined.file),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_year_of_archiving(kept: Kept) -> None:
    kept.live()
    asked = ("replay", str(ANN), "--at", "2026-02-28", "--format", "json", "--explain")
    before = said(daybook(kept, *asked))
    assert said(daybook(kept, "archive", "status")) == "Nothing is archived: the whole log is in its table.\n"

    wishes = lines(said(daybook(kept, "archive", "run", "--before", "2026-03", "--dry-run", "--json")))
    assert [one["month"] for one in wishes] == ["2026-01-01", "2026-02-01"]
    assert kept.hot()[0] == 1

    run = daybook(kept, "archive", "run", "--before", "2026-03")
    assert [line[:14] for line in said(run).splitlines()] == ["moved 2026-01:", "moved 2026-02:"]
    assert "reading back 2026-02" in run.stderr
    shown = lines(said(daybook(kept, "archive", "status", "--json")))
    assert [(one["month"], one["state"]) for one in shown] == [("2026-01", "there"), ("2026-02", "there")]
    assert shown[0]["may_be_destroyed_after"].startswith("2032-01")

    replayed = daybook(kept, *asked)
    assert (said(replayed), replayed.stderr) == (before, "")
    assert said(daybook(kept, "verify")).startswith("right: ")
    assert [one["wrong"] for one in lines(said(daybook(kept, "archive", "verify", "--json")))] == [None, None]
    again = said(daybook(kept, "archive", "run", "--before", "2026-03"))
    assert again == "No closed month before 2026-03 is in the log's table: nothing was moved.\n"


def test_an_altered_file_is_named(kept: Kept) -> None:
    kept.live()
    first, *_ = kept.archive()
    first.path.chmod(0o600)
    first.path.write_bytes(first.path.read_bytes()[:-1] + b"x")

    assert f"WRONG: the archive {first.path}" in said(daybook(kept, "archive", "verify"), 1)
    assert f"WRONG: the archive {first.path}" in said(daybook(kept, "verify"), 1)
    refused = daybook(kept, "replay", str(ANN), "--at", "2026-02-28")
    assert said(refused, 2) == ""
    assert f"the archive {first.path} is not the file that was written" in refused.stderr


def test_holds_on_the_command_line(kept: Kept) -> None:
    kept.live()
    who = ("--reason", "case 7", "--by", "counsel")

    said(daybook(kept, "hold", "place", str(ANN), *who))
    said(daybook(kept, "hold", "place", "all", *who))
    said(daybook(kept, "hold", "lift", "all", *who))
    not_there = daybook(kept, "hold", "lift", "all", *who)
    listed = said(daybook(kept, "hold", "list"))

    assert said(not_there, 2) == ""
    assert "no legal hold stands over all" in not_there.stderr
    assert listed.splitlines()[-1] == f"1 stand over {ANN}"
    assert [one["act"] for one in lines(said(daybook(kept, "hold", "list", "--json")))] == [
        "placed",
        "placed",
        "lifted",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("archive", "run", "--before", "January"), "a month is written as 2026-01"),
        (("archive", "dispose"), "--older-than-policy"),
        (("archive", "dispose", "--older-than-policy"), "--reason"),
        (
            ("hold", "place", "nobody", "--reason", "x", "--by", "y"),
            "a hold is over an account's id, or over all",
        ),
        (("hold", "place", "all", "--reason", " ", "--by", "y"), "must say something"),
        (
            ("hold", "place", "all", "--reason", "ann@example.com", "--by", "y"),
            "must not have an e-mail address",
        ),
        (("hold", "place", "all", "--reason", "x", "--by", "y\n2  lifted"), "--by is one line"),
        (
            ("archive", "dispose", "--older-than-policy", "--reason", "x\ny", "--by", "z"),
            "--reason is one line",
        ),
        (("archive", "run", "--before", "2026-03"), "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    kept: Kept, words: tuple[str, ...], sentence: str
) -> None:
    done = daybook(kept, *words)

    assert said(done, 2) == ""
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
