"""Whoever reads the log's table reads the archive as well, or says here why that is not needed."""

import re

from tests.docs.pages import ROOT

_READS = re.compile(r"(?:FROM|JOIN) stored_events")
_KNOWS = re.compile(r"archived_streams|archived_months|infrastructure\.archiving")

NEEDS_NO_ARCHIVE = {
    "infrastructure/eventstore/committer.py": "reads the end of the log; a hole makes it forget what it knew",
    "infrastructure/eventstore/snapshots.py": "the end of the log; archiving takes snapshots of its own",
    "infrastructure/health.py": "the end of the log, which is never archived",
    "infrastructure/archiving/moving.py": "moves what is in the table",
    "infrastructure/archiving/snapshots.py": "of what is about to be moved",
}


def test_every_reader_of_the_table_knows_the_archive() -> None:
    readers = {
        file.relative_to(ROOT).as_posix(): text
        for folder in ("infrastructure", "interfaces", "projections", "application")
        for file in (ROOT / folder).rglob("*.py")
        if _READS.search(text := file.read_text("utf-8"))
    }

    forgetful = {path for path, text in readers.items() if not _KNOWS.search(text)}

    assert forgetful - set(NEEDS_NO_ARCHIVE) == set(), "read `infrastructure/archiving/reading.py`"
    assert set(NEEDS_NO_ARCHIVE) <= set(readers), "these read no more"
